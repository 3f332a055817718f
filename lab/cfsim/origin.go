package cfsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// How long the edge waits for origins. Idle connections are given up well before
// common servers close them (nginx: 75 s), for a request that meets a closing
// connection cannot be sent again.
const (
	originDial   = 5 * time.Second
	originAnswer = 100 * time.Second
	originIdle   = 20 * time.Second
)

// dialError is a connection to an origin that did not come about: nothing was
// sent, so another address may be tried.
type dialError struct{ err error }

func (e *dialError) Error() string { return "dial origin: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// originTransport sends requests to one of the addresses of their trip, and
// keeps connections to origins alive.
type originTransport struct {
	base *http.Transport
	port string
	next atomic.Uint32
}

func newOriginTransport(port int) *originTransport {
	dialer := &net.Dialer{Timeout: originDial, KeepAlive: 15 * time.Second}
	return &originTransport{
		port: strconv.Itoa(port),
		base: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				ap, err := netip.ParseAddrPort(addr)
				if err == nil && !allowed(ap.Addr()) {
					err = fmt.Errorf("%s: %w", addr, ErrAddress)
				}
				if err != nil {
					return nil, &dialError{err}
				}
				conn, err := dialer.DialContext(ctx, network, addr)
				if err != nil {
					return nil, &dialError{err}
				}
				return conn, nil
			},
			MaxIdleConns:          512,
			MaxIdleConnsPerHost:   128,
			IdleConnTimeout:       originIdle,
			ResponseHeaderTimeout: originAnswer,
			DisableCompression:    true, // bodies pass as they are
		},
	}
}

// RoundTrip tries the addresses in turn until one takes the connection. What was
// sent once is never sent to another.
func (o *originTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	addrs := tripOf(req.Context()).to.addrs
	start := int(o.next.Add(1))
	var failed error
	for i := range addrs {
		addr := addrs[(start+i)%len(addrs)]
		out := req.Clone(req.Context())
		out.URL.Host = net.JoinHostPort(addr.String(), o.port)
		if req.Body != nil && req.Body != http.NoBody {
			out.Body = keptOpen{req.Body}
		}
		resp, err := o.base.RoundTrip(out)
		if err == nil {
			return resp, nil
		}
		failed = err
		var dial *dialError
		if !errors.As(err, &dial) {
			break
		}
	}
	return nil, failed
}

// keptOpen is a body that the transport cannot close, for it does so even when
// it could not connect. The server closes it.
type keptOpen struct{ io.Reader }

func (keptOpen) Close() error { return nil }

// originStatus is what the edge answers when the origin did not.
func originStatus(err error) (code int, text string) {
	var dial *dialError
	var timeout net.Error
	late := errors.As(err, &timeout) && timeout.Timeout()
	switch {
	case errors.As(err, &dial) && errors.Is(err, syscall.ECONNREFUSED):
		return 521, "Web server is down"
	case errors.As(err, &dial) && late:
		return 522, "Connection timed out"
	case errors.As(err, &dial):
		return 523, "Origin is unreachable"
	case late:
		return 524, "A timeout occurred"
	default:
		return 520, "Web server is returning an unknown error"
	}
}

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

// How long the edge waits for origins. It closes idle connections well before common
// servers do (nginx: 75 s), because a request on a closing connection must not be
// sent again.
const (
	originDialTimeout   = 5 * time.Second
	originAnswerTimeout = 100 * time.Second
	originIdleTimeout   = 20 * time.Second
)

// dialError is a failure to connect to an origin. Nothing was sent, so another address
// may be tried.
type dialError struct{ err error }

func (e *dialError) Error() string { return "dial origin: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// originTransport sends each request to one of its destination's addresses, and keeps
// connections to origins alive.
type originTransport struct {
	base *http.Transport
	port string
	next atomic.Uint32
}

func newOriginTransport(port int) *originTransport {
	dialer := &net.Dialer{Timeout: originDialTimeout, KeepAlive: 15 * time.Second}
	return &originTransport{
		port: strconv.Itoa(port),
		base: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				ap, err := netip.ParseAddrPort(addr)
				if err == nil && !isLabAddress(ap.Addr()) {
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
			IdleConnTimeout:       originIdleTimeout,
			ResponseHeaderTimeout: originAnswerTimeout,
			DisableCompression:    true, // bodies pass unchanged
		},
	}
}

// RoundTrip tries the addresses in turn until one accepts the connection. It never sends
// a request twice.
func (o *originTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	addrs := edgeRequestOf(req.Context()).destination.addrs
	start := int(o.next.Add(1))
	var failed error
	for i := range addrs {
		addr := addrs[(start+i)%len(addrs)]
		out := req.Clone(req.Context())
		out.URL.Host = net.JoinHostPort(addr.String(), o.port)
		if req.Body != nil && req.Body != http.NoBody {
			out.Body = unclosableBody{req.Body}
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

// unclosableBody is a body that the transport cannot close. The transport would close
// it even if it could not connect; the server closes it.
type unclosableBody struct{ io.Reader }

func (unclosableBody) Close() error { return nil }

// originErrorStatus returns the edge's status for an origin's failure.
func originErrorStatus(err error) (code int, text string) {
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

// Package httpretry is the decorator around the vendor clients' HTTP transport.
//
// It needs nothing but the transport below it. It retries only what is safe to
// retry, honours Retry-After, keeps to a rate limit and bounds each attempt.
// It sees every request, so it promises never to log, note or return a header or
// a body.
package httpretry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
	"golang.org/x/time/rate"
)

// Defaults of a Transport's zero fields, as the fields' comments name them.
const (
	defaultAttempts = 5
	defaultMaxWait  = 30 * time.Second
	defaultTimeout  = 60 * time.Second
)

// firstBackoff is the backoff after the first failed attempt. Each further attempt
// doubles it.
const firstBackoff = 250 * time.Millisecond

// drainLimit is how many bytes of a refused answer are read to reuse its connection.
const drainLimit = 64 << 10

// ErrTimeout is wrapped when one attempt ran out of time, not the caller's context.
var ErrTimeout = errors.New("attempt timed out")

// Transport retries requests of Base. GET and HEAD are retried on connection
// errors, 429 and 5xx. Every other method is retried only on 429: that answer
// proves that the request was refused. After any other failure of a write, the
// caller has to look whether it was done. Each retry is a report.Note on the
// request's context. A Transport is safe for concurrent use.
type Transport struct {
	// Base sends the requests; nil means http.DefaultTransport.
	Base http.RoundTripper
	// Attempts is the total number of tries; 0 means 5, and 1 never retries.
	Attempts int
	// MaxWait is the longest wait between two attempts; 0 means 30 s. An answer
	// whose Retry-After is longer is returned unchanged: Classify turns it into a
	// report.Transient that carries the wait.
	MaxWait time.Duration
	// Timeout bounds each attempt up to the end of its body; 0 means 60 s.
	Timeout time.Duration
	// Limit, if set, is waited for before every attempt.
	Limit *rate.Limiter
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	attempts := orDefault(t.Attempts, defaultAttempts)
	for try := 1; ; try++ {
		if err := t.throttle(ctx, req); err != nil {
			closeBody(req)
			return nil, err
		}
		attempt, err := t.requestFor(req, try)
		if err != nil {
			return nil, err
		}
		resp, err := t.send(attempt)
		reason, pause := t.planRetry(req, resp, err, try)
		if reason == "" || try == attempts {
			return resp, err
		}
		if resp != nil {
			discard(resp.Body)
		}
		report.Note(ctx, "%s %s%s: %s; trying again in %s (attempt %d of %d)",
			req.Method, req.URL.Host, req.URL.Path, reason, pause.Round(time.Millisecond), try+1, attempts)
		if err := wait.For(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// requestFor returns the request of one try: the first sends req's own body, later
// ones send a fresh copy of it.
func (t *Transport) requestFor(req *http.Request, try int) (*http.Request, error) {
	if try == 1 || req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("restore request body: %w", err)
	}
	repeated := req.Clone(req.Context())
	repeated.Body = body
	return repeated, nil
}

// send makes one attempt under its own deadline. The deadline holds until the
// answer's body is closed.
func (t *Transport) send(req *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	parent := req.Context()
	limit := orDefault(t.Timeout, defaultTimeout)
	ctx, cancel := context.WithTimeout(parent, limit)
	resp, err := base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		err = explainTimeout(parent, ctx, limit, err)
		cancel()
		return nil, err
	}
	resp.Body = &body{resp.Body, parent, ctx, cancel, limit}
	return resp, nil
}

// planRetry returns the reason to try req again and the wait before that. An empty
// reason means that req is not tried again.
func (t *Transport) planRetry(req *http.Request, resp *http.Response, err error, try int) (string, time.Duration) {
	if req.Context().Err() != nil || !restorable(req) {
		return "", 0
	}
	safe := req.Method == http.MethodGet || req.Method == http.MethodHead || req.Method == ""
	maxWait := orDefault(t.MaxWait, defaultMaxWait)
	switch {
	case err != nil:
		if !safe || !isConnectionError(err) {
			return "", 0
		}
		return reason(err), backoff(try, maxWait)
	case resp.StatusCode == http.StatusTooManyRequests, safe && resp.StatusCode >= 500:
		wait := max(RetryAfter(resp.Header), backoff(try, maxWait))
		if wait > maxWait {
			return "", 0
		}
		return statusText(resp.StatusCode), wait
	}
	return "", 0
}

// throttle waits for the rate limit.
func (t *Transport) throttle(ctx context.Context, req *http.Request) error {
	if t.Limit == nil {
		return ctx.Err()
	}
	r := t.Limit.Reserve()
	if !r.OK() {
		return errors.New("reserve a request: the rate limit's burst is 0")
	}
	delay := r.Delay()
	if delay >= time.Second {
		report.Note(ctx, "%s %s%s: held back %s by our own rate limit",
			req.Method, req.URL.Host, req.URL.Path, delay.Round(time.Millisecond))
	}
	if err := wait.For(ctx, delay); err != nil {
		r.Cancel()
		return err
	}
	return nil
}

// body is an answer's body that releases its attempt's deadline when it is closed.
type body struct {
	io.ReadCloser
	parent, attempt context.Context // compared only when a read fails
	cancel          context.CancelFunc
	limit           time.Duration
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = explainTimeout(b.parent, b.attempt, b.limit, err)
	}
	return n, err
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// explainTimeout returns ErrTimeout, wrapped, if the attempt's own deadline has
// passed and the caller's has not. Otherwise it returns err.
func explainTimeout(parent, attempt context.Context, limit time.Duration, err error) error {
	if attempt.Err() != nil && parent.Err() == nil {
		return fmt.Errorf("no complete answer within %s: %w", limit, ErrTimeout)
	}
	return err
}

// backoff returns a random wait between half and all of firstBackoff·2^(try-1),
// capped at maxWait.
func backoff(try int, maxWait time.Duration) time.Duration {
	d := firstBackoff << min(try-1, 20)
	d = min(d, maxWait)
	return d/2 + rand.N(d/2+1)
}

func restorable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // a RoundTripper must close the body even when it fails
	}
}

func discard(r io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, r, drainLimit) // best effort: only to reuse the connection
	_ = r.Close()
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

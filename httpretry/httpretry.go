// Package httpretry is the decorator around the vendor clients' HTTP transport:
// it retries what is safe to retry, honours Retry-After, keeps to a rate limit
// and bounds each attempt. It sees every request, so it never logs, notes or
// returns a header or a body.
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

// Defaults of a Transport's zero fields.
const (
	DefaultAttempts = 5
	DefaultMaxWait  = 30 * time.Second
	DefaultTimeout  = 60 * time.Second
)

// firstWait is the backoff after the first failed attempt; it doubles from there.
const firstWait = 250 * time.Millisecond

// drainLimit bounds what is read of a refused answer to reuse its connection.
const drainLimit = 64 << 10

// ErrTimeout says that one attempt, not the caller's context, ran out of time.
var ErrTimeout = errors.New("attempt timed out")

// Transport retries requests of Base. GET and HEAD are retried on connection
// errors, 429 and 5xx; every other method only on 429, where the request was
// refused and not done: after any other failure of a write only the caller can
// know, by looking, whether it was done. Each retry is a report.Note on the
// request's context. It is safe for concurrent use.
type Transport struct {
	// Base makes the requests; nil is http.DefaultTransport.
	Base http.RoundTripper
	// Attempts is the number of tries in all; 0 is DefaultAttempts, 1 never retries.
	Attempts int
	// MaxWait is the longest wait between two attempts; 0 is DefaultMaxWait. An
	// answer whose Retry-After is longer is returned as it is: Classify turns it
	// into a report.Transient that carries the wait.
	MaxWait time.Duration
	// Timeout bounds each attempt up to the end of its body; 0 is DefaultTimeout.
	Timeout time.Duration
	// Limit, if set, is asked before every attempt.
	Limit *rate.Limiter
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	attempts := or(t.Attempts, DefaultAttempts)
	for try := 1; ; try++ {
		if err := t.throttle(ctx, req); err != nil {
			closeBody(req)
			return nil, err
		}
		attempt, err := t.attempt(req, try)
		if err != nil {
			return nil, err
		}
		resp, err := t.once(attempt)
		reason, pause := t.retry(req, resp, err, try)
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

// attempt returns req for its nth try: the first sends the request's own body,
// later ones a fresh copy of it.
func (t *Transport) attempt(req *http.Request, try int) (*http.Request, error) {
	if try == 1 || req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("restore request body: %w", err)
	}
	again := req.Clone(req.Context())
	again.Body = body
	return again, nil
}

// once makes one attempt under its own deadline, which lives until the answer's
// body is closed.
func (t *Transport) once(req *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	parent := req.Context()
	limit := or(t.Timeout, DefaultTimeout)
	ctx, cancel := context.WithTimeout(parent, limit)
	resp, err := base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		err = timedOut(parent, ctx, limit, err)
		cancel()
		return nil, err
	}
	resp.Body = &body{resp.Body, parent, ctx, cancel, limit}
	return resp, nil
}

// retry returns why and after which wait req is tried again; an empty reason
// means that it is not.
func (t *Transport) retry(req *http.Request, resp *http.Response, err error, try int) (string, time.Duration) {
	if req.Context().Err() != nil || !restorable(req) {
		return "", 0
	}
	safe := req.Method == http.MethodGet || req.Method == http.MethodHead || req.Method == ""
	most := or(t.MaxWait, DefaultMaxWait)
	switch {
	case err != nil:
		if !safe || !isConnection(err) {
			return "", 0
		}
		return reason(err), backoff(try, most)
	case resp.StatusCode == http.StatusTooManyRequests, safe && resp.StatusCode >= 500:
		wait := max(RetryAfter(resp.Header), backoff(try, most))
		if wait > most {
			return "", 0
		}
		return status(resp.StatusCode), wait
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

// body ends its attempt's deadline when it is closed.
type body struct {
	io.ReadCloser
	parent, attempt context.Context // compared only when a read fails
	cancel          context.CancelFunc
	limit           time.Duration
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = timedOut(b.parent, b.attempt, b.limit, err)
	}
	return n, err
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// timedOut tells our own deadline for one attempt from the caller's.
func timedOut(parent, attempt context.Context, limit time.Duration, err error) error {
	if attempt.Err() != nil && parent.Err() == nil {
		return fmt.Errorf("no complete answer within %s: %w", limit, ErrTimeout)
	}
	return err
}

// backoff is half to all of firstWait·2^(try-1), at most most.
func backoff(try int, most time.Duration) time.Duration {
	d := firstWait << min(try-1, 20)
	d = min(d, most)
	return d/2 + rand.N(d/2+1)
}

func restorable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // a RoundTripper owns the body even when it fails
	}
}

func discard(r io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, r, drainLimit) // best effort: only to reuse the connection
	_ = r.Close()
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

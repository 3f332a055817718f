package httpretry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dcmigrate/migrate/report"
)

// Classify returns err as a report.Transient if the whole step should be tried
// again: after 408, 429, any 5xx, or a connection error without an answer
// (status 0). The wait is the answer's Retry-After. Other errors are returned
// unchanged, including the end of the caller's context and a wrong certificate.
// If err is nil, a status of 400 or more becomes an error.
func Classify(statusCode int, header http.Header, err error) error {
	if err == nil {
		if statusCode < 400 {
			return nil
		}
		err = errors.New(statusText(statusCode))
	}
	switch {
	case statusCode == http.StatusRequestTimeout, statusCode == http.StatusTooManyRequests, statusCode >= 500:
		if isContextEnd(err) {
			return err
		}
		return report.Transient(err, RetryAfter(header))
	case statusCode < 400 && isConnectionError(err):
		return report.Transient(report.WithHint(noAnswer(err),
			"check the network from this machine and the vendor's status page, then run the same command again"), 0)
	}
	return err
}

// ErrNoAnswer is wrapped when the server could not be reached at all.
var ErrNoAnswer = errors.New("no answer")

// noAnswer names the host that did not answer and the reason, without the URL.
func noAnswer(err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		if u, parsed := url.Parse(urlErr.URL); parsed == nil {
			return &noAnswerError{fmt.Sprintf("%v from %s: %s", ErrNoAnswer, u.Host, reason(err)), err}
		}
	}
	return &noAnswerError{fmt.Sprintf("%v: %s", ErrNoAnswer, reason(err)), err}
}

type noAnswerError struct {
	text string
	err  error
}

func (e *noAnswerError) Error() string   { return e.text }
func (e *noAnswerError) Unwrap() []error { return []error{ErrNoAnswer, e.err} }

// reason returns what went wrong with a connection, without the chain of calls.
func reason(err error) string {
	var (
		errno  syscall.Errno
		dnsErr *net.DNSError
		urlErr *url.Error
	)
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dnsErr):
		return "the name " + dnsErr.Name + " has no address: " + dnsErr.Err
	case errors.As(err, &urlErr):
		return urlErr.Err.Error()
	}
	return err.Error()
}

// RetryAfter returns the wait that a Retry-After header asks for, in seconds or as
// a date (RFC 9110 section 10.2.3). It returns 0 if the header is missing or
// unreadable, or if the date has passed.
func RetryAfter(header http.Header) time.Duration {
	v := strings.TrimSpace(header.Get("Retry-After"))
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// isConnectionError reports whether err comes from the connection, so that a later
// attempt may succeed.
func isConnectionError(err error) bool {
	if errors.Is(err, ErrTimeout) {
		return true
	}
	if isContextEnd(err) {
		return false
	}
	var (
		certErr      *tls.CertificateVerificationError
		authorityErr x509.UnknownAuthorityError
		dnsErr       *net.DNSError
		urlErr       *url.Error
		netErr       net.Error
	)
	switch {
	case errors.As(err, &certErr), errors.As(err, &authorityErr):
		return false
	case errors.As(err, &dnsErr) && dnsErr.IsNotFound:
		return false
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	case errors.As(err, &urlErr):
		return urlErr.Op != "parse"
	case errors.As(err, &netErr):
		return true
	}
	return strings.Contains(err.Error(), "net/http: ") || // untyped errors of net/http's transport
		strings.Contains(err.Error(), "http: server ") ||
		strings.Contains(err.Error(), "malformed HTTP")
}

// isContextEnd reports whether the caller's own context has ended, as opposed to
// the deadline of one attempt.
func isContextEnd(err error) bool {
	return !errors.Is(err, ErrTimeout) &&
		(errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

func statusText(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("answer %d %s", code, text)
	}
	return fmt.Sprintf("answer %d", code)
}

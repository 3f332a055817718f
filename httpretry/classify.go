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

// Classify returns err as a report.Transient where trying the whole step again is
// right: 408, 429, any 5xx, or no answer at all (status 0) because of the
// connection. The wait is the answer's Retry-After. Other errors, the end of the
// caller's context and a wrong certificate among them, are returned unchanged.
// With a nil err, a status of 400 and more becomes an error by itself.
func Classify(statusCode int, header http.Header, err error) error {
	if err == nil {
		if statusCode < 400 {
			return nil
		}
		err = errors.New(status(statusCode))
	}
	switch {
	case statusCode == http.StatusRequestTimeout, statusCode == http.StatusTooManyRequests, statusCode >= 500:
		if ended(err) {
			return err
		}
		return report.Transient(err, RetryAfter(header))
	case statusCode < 400 && isConnection(err):
		return report.Transient(report.WithHint(noAnswer(err),
			"check the network from this machine and the vendor's status page, then run the same command again"), 0)
	}
	return err
}

// ErrNoAnswer is wrapped when the other side could not be reached at all.
var ErrNoAnswer = errors.New("no answer")

// noAnswer names the host that did not answer and the reason, without the URL.
func noAnswer(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		if u, parsed := url.Parse(request.URL); parsed == nil {
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

// reason is what went wrong with a connection, without the chain of calls.
func reason(err error) string {
	var (
		number  syscall.Errno
		name    *net.DNSError
		request *url.Error
	)
	switch {
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &name):
		return "the name " + name.Name + " has no address: " + name.Err
	case errors.As(err, &request):
		return request.Err.Error()
	}
	return err.Error()
}

// RetryAfter is the wait that a Retry-After header asks for, in seconds or as a
// date (RFC 9110 section 10.2.3); 0 when there is none or it has passed.
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

// isConnection reports whether err is the connection's: a later attempt may pass.
func isConnection(err error) bool {
	if errors.Is(err, ErrTimeout) {
		return true
	}
	if ended(err) {
		return false
	}
	var (
		cert      *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		name      *net.DNSError
		request   *url.Error
		network   net.Error
	)
	switch {
	case errors.As(err, &cert), errors.As(err, &authority):
		return false
	case errors.As(err, &name) && name.IsNotFound:
		return false
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	case errors.As(err, &request):
		return request.Op != "parse"
	case errors.As(err, &network):
		return true
	}
	return strings.Contains(err.Error(), "net/http: ") || // untyped errors of net/http's transport
		strings.Contains(err.Error(), "http: server ") ||
		strings.Contains(err.Error(), "malformed HTTP")
}

// ended reports whether err is the end of the caller's own context.
func ended(err error) bool {
	return !errors.Is(err, ErrTimeout) &&
		(errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

func status(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("answer %d %s", code, text)
	}
	return fmt.Sprintf("answer %d", code)
}

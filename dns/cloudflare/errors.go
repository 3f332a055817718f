package cloudflare

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/httpretry"
	"github.com/dcmigrate/migrate/report"
)

// Codes of Cloudflare's errors that this package treats specially.
const (
	codeRateLimit      = 971
	codeUnknownError   = 1016 // comes with status 200
	codePurgeRate      = 1134
	codeCouldNotRoute  = 7003
	codeTokenFormat    = 6111
	codeBadToken       = 9109
	codeAuthentication = 10000
	codeNoSuchRecord   = 81044
	codeIdentical      = 81058
)

// maxAnswerBytes bounds how much of one answer is read.
const maxAnswerBytes = 64 << 20

// Error is an answer of the API that is not a success.
type Error struct {
	Method, Path string
	Status       int      // HTTP status; 200 is possible
	Details      []Detail // none if the answer is not the API's own (a proxy's HTML page)
}

// Detail is one of the errors in an answer.
type Detail struct {
	Code    int      `json:"code"`
	Message string   `json:"message"`
	Chain   []Detail `json:"error_chain,omitempty"`
}

func (d Detail) String() string {
	s := fmt.Sprintf("%s (%d)", d.Message, d.Code)
	for _, c := range d.Chain {
		s += ": " + c.String()
	}
	return s
}

func (e *Error) Error() string {
	if len(e.Details) == 0 {
		return fmt.Sprintf("cloudflare %s %s: answer %d %s without an API error", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	}
	var all []string
	for _, d := range e.Details {
		all = append(all, d.String())
	}
	return fmt.Sprintf("cloudflare %s %s: answer %d: %s", e.Method, e.Path, e.Status, strings.Join(all, "; "))
}

// has reports whether the answer holds an error with this code, also in a chain.
func (e *Error) has(code int) bool {
	for _, d := range e.Details {
		if d.Code == code {
			return true
		}
		for _, c := range d.Chain {
			if c.Code == code {
				return true
			}
		}
	}
	return false
}

// Is reports that the error of a deleted record is dns.ErrRecordGone.
func (e *Error) Is(target error) bool {
	return target == dns.ErrRecordGone && e.has(codeNoSuchRecord)
}

// checkAnswer is a middleware above the retries. It returns an error for every answer
// that is not a success: a status of 300 or more, success:false with any status, or a
// body that is not JSON. Errors that another try may solve are report.Transient.
func checkAnswer(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	res, err := next(req)
	if err != nil {
		return nil, httpretry.Classify(0, nil, err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	_ = res.Body.Close() // the body was read to its end, or the error is returned below
	if err != nil {
		return nil, httpretry.Classify(0, nil, fmt.Errorf("read answer of %s %s: %w", req.Method, req.URL.Path, err))
	}
	res.Body = io.NopCloser(bytes.NewReader(body))

	var envelope struct {
		Success *bool    `json:"success"`
		Errors  []Detail `json:"errors"`
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")) // an unreadable type is not JSON
	isJSON := media == "application/json" && json.Unmarshal(body, &envelope) == nil && envelope.Success != nil
	if res.StatusCode < 300 && isJSON && *envelope.Success {
		return res, nil
	}
	return nil, explain(&Error{req.Method, req.URL.Path, res.StatusCode, envelope.Errors}, res.Header, isJSON)
}

// explain marks an error as report.Transient if another try may solve it, and
// otherwise adds a hint if one is known.
func explain(e *Error, header http.Header, isJSON bool) error {
	switch {
	case e.has(codeRateLimit) || e.has(codePurgeRate):
		return report.Transient(e, httpretry.RetryAfter(header))
	case e.Status < 300 && (!isJSON || e.has(codeUnknownError)): // not JSON: a proxy answered
		return report.Transient(e, 0)
	case e.has(codeBadToken) || e.has(codeTokenFormat) || e.has(codeAuthentication) || e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		return report.WithHint(e, "the token needs Zone Read, DNS Edit and Cache Purge for these zones, and must not have expired: see dns.cloudflare.token_env")
	case e.has(codeNoSuchRecord):
		return report.WithHint(e, "somebody deleted a record after the plan was made: run migrate plan again")
	case e.has(codeIdentical):
		return report.WithHint(e, "a record with the same name, type and content exists: delete one of the two")
	case e.has(codeCouldNotRoute):
		return report.WithHint(e, "the zone is not in this account, or dns.cloudflare.endpoint is not Cloudflare's API v4")
	}
	return httpretry.Classify(e.Status, header, e)
}

// withAction puts the action in front of an error and keeps its hint. A
// report.TransientError stays one.
func withAction(action string, err error) error {
	var transient *report.TransientError
	if errors.As(err, &transient) {
		return report.Transient(fmt.Errorf("%s: %w", action, transient.Err), transient.After)
	}
	return fmt.Errorf("%s: %w", action, err)
}

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

// Codes of Cloudflare's errors that matter here.
const (
	codeSlowDown       = 971
	codeUnknownError   = 1016 // comes with status 200
	codePurgeRate      = 1134
	codeCouldNotRoute  = 7003
	codeTokenFormat    = 6111
	codeBadToken       = 9109
	codeAuthentication = 10000
	codeNoSuchRecord   = 81044
	codeIdentical      = 81058
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 64 << 20

// Error is an answer that says no.
type Error struct {
	Method, Path string
	Status       int      // HTTP status; 200 is possible
	Errors       []Detail // none where the answer is not the API's own (a proxy's HTML page)
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
	if len(e.Errors) == 0 {
		return fmt.Sprintf("cloudflare %s %s: answer %d %s without an API error", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	}
	var all []string
	for _, d := range e.Errors {
		all = append(all, d.String())
	}
	return fmt.Sprintf("cloudflare %s %s: answer %d: %s", e.Method, e.Path, e.Status, strings.Join(all, "; "))
}

// Has reports whether the answer holds an error with this code.
func (e *Error) Has(code int) bool {
	for _, d := range e.Errors {
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

// Is makes a vanished record dns.ErrRecordGone.
func (e *Error) Is(target error) bool {
	return target == dns.ErrRecordGone && e.Has(codeNoSuchRecord)
}

// checkAnswer sits above the retries and turns every answer that is no success
// into an error: a status of 400 and more, success:false whatever the status,
// and what is not JSON. Errors worth another try are report.Transient.
func checkAnswer(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	res, err := next(req)
	if err != nil {
		return nil, httpretry.Classify(0, nil, err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	_ = res.Body.Close() // it was read to its end, or its error is returned below
	if err != nil {
		return nil, httpretry.Classify(0, nil, fmt.Errorf("read answer of %s %s: %w", req.Method, req.URL.Path, err))
	}
	res.Body = io.NopCloser(bytes.NewReader(body))

	var envelope struct {
		Success *bool    `json:"success"`
		Errors  []Detail `json:"errors"`
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")) // unreadable: not JSON
	isJSON := media == "application/json" && json.Unmarshal(body, &envelope) == nil && envelope.Success != nil
	if res.StatusCode < 300 && isJSON && *envelope.Success {
		return res, nil
	}
	return nil, explain(&Error{req.Method, req.URL.Path, res.StatusCode, envelope.Errors}, res.Header, isJSON)
}

// explain adds to a refusal what to do about it: try again, or a hint.
func explain(e *Error, header http.Header, isJSON bool) error {
	switch {
	case e.Has(codeSlowDown) || e.Has(codePurgeRate):
		return report.Transient(e, httpretry.RetryAfter(header))
	case e.Status < 300 && (!isJSON || e.Has(codeUnknownError)): // not JSON: a proxy in between
		return report.Transient(e, 0)
	case e.Has(codeBadToken) || e.Has(codeTokenFormat) || e.Has(codeAuthentication) || e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		return report.WithHint(e, "the token needs Zone Read, DNS Edit and Cache Purge for these zones, and must not have expired: see dns.cloudflare.token_env")
	case e.Has(codeNoSuchRecord):
		return report.WithHint(e, "somebody deleted a record after the plan was made: run migrate plan again")
	case e.Has(codeIdentical):
		return report.WithHint(e, "a record with the same name, type and content exists: delete one of the two")
	case e.Has(codeCouldNotRoute):
		return report.WithHint(e, "the zone is not in this account, or dns.cloudflare.endpoint is not Cloudflare's API v4")
	}
	return httpretry.Classify(e.Status, header, e)
}

// describe names the action in front of an error and keeps its hint and its
// transience.
func describe(action string, err error) error {
	var transient *report.TransientError
	if errors.As(err, &transient) {
		return report.Transient(fmt.Errorf("%s: %w", action, transient.Err), transient.After)
	}
	return fmt.Errorf("%s: %w", action, err)
}

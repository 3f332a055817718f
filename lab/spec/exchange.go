package spec

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3filter"
)

// Transport validates every exchange that next carries. Requests whose
// connection fails are not counted: there is no answer to hold them against.
func (v *Validator) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{validator: v, next: next}
}

type transport struct {
	validator *Validator
	next      http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if closed := req.Body.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
		sent = body
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(got))
	t.validator.Exchange(req, sent, resp.StatusCode, resp.Header, got)
	return resp, nil
}

// Handler validates every exchange that next serves. A handler that aborts the
// connection (http.ErrAbortHandler) still does, and is not counted.
func (v *Validator) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		sent, err := io.ReadAll(req.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the client is gone
		}
		req.Body = io.NopCloser(bytes.NewReader(sent))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, req)
		v.Exchange(req, sent, answer.Code, answer.Header(), answer.Body.Bytes())
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // a client that left is not the handler's error
	})
}

// Exchange validates one exchange, given both bodies, and collects violations.
//
// A request that breaks the document is a violation only if it was not answered
// with a 4xx, for then the server refused it, as it should. An answer of 5xx
// that is not JSON comes from a proxy in front of the vendor, of which the
// document knows nothing.
func (v *Validator) Exchange(req *http.Request, sent []byte, status int, header http.Header, got []byte) {
	found := func(side Side, err error) (out []*Violation) {
		for _, reason := range reasons(err) {
			out = append(out, &Violation{req.Method, req.URL.Path, status, side, reason})
		}
		return out
	}
	requestErr, responseErr := v.validate(req, sent, status, header, got)
	var violations []*Violation
	if status < 400 || status >= 500 {
		violations = found(Request, requestErr)
	}
	violations = append(violations, found(Response, responseErr)...)

	v.mu.Lock()
	defer v.mu.Unlock()
	v.exchanges++
	for _, violation := range violations {
		if !v.tolerated(violation) {
			v.violations = append(v.violations, violation)
		}
	}
}

func (v *Validator) tolerated(violation *Violation) bool {
	for _, d := range v.deviations {
		if d.covers(violation) {
			return true
		}
	}
	return false
}

func (v *Validator) validate(req *http.Request, sent []byte, status int, header http.Header, got []byte) (requestErr, responseErr error) {
	copied := req.Clone(context.WithoutCancel(req.Context()))
	copied.Body = io.NopCloser(bytes.NewReader(sent))
	copied.ContentLength = int64(len(sent))
	copied.URL = &url.URL{Path: strings.TrimSuffix(req.URL.Path, "/"), RawQuery: req.URL.RawQuery}
	if raw := req.URL.RawPath; raw != "" {
		copied.URL.RawPath = strings.TrimSuffix(raw, "/")
	}
	route, params, err := v.router.FindRoute(copied)
	if err != nil {
		return err, nil
	}
	options := &openapi3filter.Options{
		MultiError:                        true,
		IncludeResponseStatus:             true,
		SkipSettingDefaults:               true,
		RejectWhenRequestBodyNotSpecified: true,
		AuthenticationFunc:                openapi3filter.NoopAuthenticationFunc,
		SchemaValidationOptions:           v.doc.GetSchemaValidationOptions(),
	}
	input := &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: params, Route: route, Options: options,
	}
	requestErr = openapi3filter.ValidateRequest(copied.Context(), input)
	if status >= 500 && !strings.Contains(header.Get("Content-Type"), "json") {
		return requestErr, nil
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: status, Header: header, Options: options,
	}
	answer.SetBodyBytes(got)
	return requestErr, openapi3filter.ValidateResponse(copied.Context(), answer)
}

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

// Transport validates every exchange that next carries. A request whose connection
// fails is not counted, because it has no answer.
func (v *Validator) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{validator: v, next: next}
}

type transport struct {
	validator *Validator
	next      http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var requestBody []byte
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if closed := req.Body.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
		requestBody = body
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	answerBody, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answerBody))
	t.validator.checkExchange(req, requestBody, resp.StatusCode, resp.Header, answerBody)
	return resp, nil
}

// Handler validates every exchange that next serves. A request whose connection
// next aborts (http.ErrAbortHandler) is not counted; the abort passes through.
func (v *Validator) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		requestBody, err := io.ReadAll(req.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the client has left
		}
		req.Body = io.NopCloser(bytes.NewReader(requestBody))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, req)
		v.checkExchange(req, requestBody, answer.Code, answer.Header(), answer.Body.Bytes())
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // a client that left is not the handler's error
	})
}

// checkExchange validates one exchange, given both bodies, and collects violations.
//
// A request that breaks the document is no violation if the answer is a 4xx: the
// server refused it, as it should. A 5xx answer that is not JSON is not validated:
// it comes from a proxy in front of the vendor, which the document does not cover.
func (v *Validator) checkExchange(req *http.Request, requestBody []byte, status int, header http.Header, answerBody []byte) {
	violationsOf := func(side Side, err error) (out []*violation) {
		for _, reason := range reasons(err) {
			out = append(out, &violation{req.Method, req.URL.Path, status, side, reason})
		}
		return out
	}
	requestErr, responseErr := v.validate(req, requestBody, status, header, answerBody)
	var violations []*violation
	if status < 400 || status >= 500 {
		violations = violationsOf(Request, requestErr)
	}
	violations = append(violations, violationsOf(Response, responseErr)...)

	v.mu.Lock()
	defer v.mu.Unlock()
	v.exchanges++
	for _, violation := range violations {
		if !v.tolerated(violation) {
			v.violations = append(v.violations, violation)
		}
	}
}

func (v *Validator) tolerated(violation *violation) bool {
	for _, d := range v.deviations {
		if d.covers(violation) {
			return true
		}
	}
	return false
}

func (v *Validator) validate(req *http.Request, requestBody []byte, status int, header http.Header, answerBody []byte) (requestErr, responseErr error) {
	copied := req.Clone(context.WithoutCancel(req.Context()))
	copied.Body = io.NopCloser(bytes.NewReader(requestBody))
	copied.ContentLength = int64(len(requestBody))
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
	answer.SetBodyBytes(answerBody)
	return requestErr, openapi3filter.ValidateResponse(copied.Context(), answer)
}

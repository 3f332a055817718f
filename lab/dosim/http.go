package dosim

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/wait"
)

const maxBody = 1 << 20

// apiError is an error answer with the vendor's body.
type apiError struct {
	status      int
	id, message string
	body        any // replaces the usual body
}

func (e *apiError) Error() string { return e.message }

func notFound() error {
	return &apiError{status: http.StatusNotFound, id: "not_found", message: "The resource you were accessing could not be found."}
}

func forbidden(message string) error {
	return &apiError{status: http.StatusForbidden, id: "forbidden", message: message}
}

func unprocessable(format string, args ...any) error {
	return &apiError{status: http.StatusUnprocessableEntity, id: "unprocessable_entity", message: fmt.Sprintf(format, args...)}
}

// lockedHandler reads the body, runs h with the state locked, and writes its answer.
func (s *Sim) lockedHandler(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			writeError(w, &apiError{status: http.StatusBadRequest, id: "bad_request", message: "error reading request body"})
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		status, value, err := s.runLocked(h, r)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, status, value)
	}
}

// runLocked runs h and marshals its answer under the lock, because answers point into
// the state.
func (s *Sim) runLocked(h handler, r *http.Request) (int, json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, nil, &apiError{status: http.StatusServiceUnavailable, id: "service_unavailable", message: errClosed.Error()}
	}
	status, value, err := h(r)
	if err != nil || value == nil {
		return status, nil, err
	}
	text, err := json.Marshal(value)
	return status, text, err
}

// bufferedAnswer is an http.ResponseWriter into memory, so that a fault can drop the
// answer after the work.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *bufferedAnswer) Header() http.Header            { return a.header }
func (a *bufferedAnswer) WriteHeader(status int)         { a.status = status }
func (a *bufferedAnswer) Write(text []byte) (int, error) { return a.body.Write(text) }

// ServeHTTP implements http.Handler. It applies faults, then checks the token, then
// the limits, then does the work.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := "/" + strings.Trim(r.URL.Path, "/")
	entry := s.log.begin(Request{Time: s.options.Now(), Method: r.Method, Path: path, Query: r.URL.RawQuery})
	fault, faulty := s.faults.take(r.Method, path)
	if faulty {
		s.log.update(entry, func(e *Request) { e.Fault = fault.Kind.String() })
	}
	if faulty && fault.Kind == DropBefore {
		s.drop(entry)
	}
	if faulty && fault.Kind == Slow && wait.For(r.Context(), fault.Delay) != nil {
		s.drop(entry) // the client has left
	}

	buffered := &bufferedAnswer{header: http.Header{}, status: http.StatusOK}
	s.answer(buffered, r, path, fault)
	s.log.update(entry, func(e *Request) { e.Status = buffered.status })
	if faulty && fault.Kind == DropAfter {
		s.drop(entry)
	}
	maps.Copy(w.Header(), buffered.header)
	w.WriteHeader(buffered.status)
	if _, err := w.Write(buffered.body.Bytes()); err != nil {
		s.log.update(entry, func(e *Request) { e.Lost = true })
	}
}

// drop ends the request by closing its connection.
func (s *Sim) drop(entry int) {
	s.log.update(entry, func(e *Request) { e.Lost = true })
	panic(http.ErrAbortHandler)
}

func (s *Sim) answer(w http.ResponseWriter, r *http.Request, path string, fault Fault) {
	if fault.Kind == BadGateway {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html>\n<head><title>502 Bad Gateway</title></head>\n<body><h1>502 Bad Gateway</h1></body>\n</html>\n") // into memory
		return
	}
	err := s.admit(w, r, path)
	switch fault.Kind {
	case TooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(fault.Delay/time.Second))))
		err = tooMany()
	case ServerError:
		err = &apiError{status: http.StatusInternalServerError, id: "server_error", message: "Unexpected server-side error"}
	}
	if err != nil {
		writeError(w, err)
		return
	}
	clone := r.Clone(r.Context())
	clone.URL.Path, clone.URL.RawPath = path, ""
	if _, pattern := s.mux.Handler(clone); pattern == "" {
		writeError(w, notFound())
		return
	}
	s.mux.ServeHTTP(w, clone)
}

func tooMany() error {
	return &apiError{status: http.StatusTooManyRequests, id: "too_many_requests", message: "API rate limit exceeded."}
}

// admit checks the token and the limits and writes the rate limit's headers.
func (s *Sim) admit(w http.ResponseWriter, r *http.Request, path string) error {
	now := s.options.Now()
	header := func(v verdict) {
		w.Header().Set("ratelimit-limit", strconv.Itoa(s.options.Limits.PerHour))
		w.Header().Set("ratelimit-remaining", strconv.Itoa(v.remaining))
		w.Header().Set("ratelimit-reset", strconv.FormatInt(v.reset.Unix(), 10))
	}
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer || s.options.Token.IsZero() || subtle.ConstantTimeCompare([]byte(token), []byte(s.options.Token.Open())) != 1 {
		header(s.hourly.peek(now))
		return &apiError{status: http.StatusUnauthorized, id: "unauthorized", message: "Unable to authenticate you"}
	}
	limits := []*limiter{&s.burst}
	if r.Method == http.MethodGet && path == "/v2/account/keys" {
		limits = append(limits, &s.keyLists)
	}
	for _, l := range limits {
		if v := l.take(now); !v.allowed {
			header(s.hourly.peek(now))
			w.Header().Set("Retry-After", strconv.Itoa(max(1, int((v.reset.Sub(now)+time.Second-1)/time.Second))))
			return tooMany()
		}
	}
	v := s.hourly.take(now)
	header(v)
	if !v.allowed {
		return tooMany()
	}
	return nil
}

func writeError(w http.ResponseWriter, err error) {
	var answer *apiError
	if !errors.As(err, &answer) {
		answer = &apiError{status: http.StatusInternalServerError, id: "server_error", message: err.Error()}
	}
	id := newUUID()
	w.Header().Set("x-request-id", id)
	body := answer.body
	if body == nil {
		body = map[string]string{"id": answer.id, "message": answer.message, "request_id": id}
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("dosim: marshal an error: %v", err)) // unreachable
	}
	writeJSON(w, answer.status, text)
}

func writeJSON(w http.ResponseWriter, status int, text json.RawMessage) {
	if text != nil {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = w.Write(text) // into memory: ServeHTTP sends it on
}

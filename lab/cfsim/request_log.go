package cfsim

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Request is one API request and the status of its answer.
type Request struct {
	Time   time.Time
	Method string
	Path   string // below /client/v4
	Query  url.Values
	Body   []byte // do not change
	Status int    // 0 before there is an answer, and if it was dropped
}

// Mutating reports whether the request asked for a change.
func (r Request) Mutating() bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// requestLog holds every request since the start or the last reset, in order.
type requestLog struct {
	mu       sync.Mutex
	requests []*Request
}

func (l *requestLog) add(r *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
}

func (l *requestLog) answered(r *Request, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Status = status
}

// Requests returns every API request since the start or the last ResetRequests, in
// order, including refused ones. It has no tokens.
func (s *Sim) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	out := make([]Request, len(s.log.requests))
	for i, r := range s.log.requests {
		out[i] = *r
	}
	return out
}

// Mutations returns those of Requests that asked for a change: none after a dry run (I6).
func (s *Sim) Mutations() []Request {
	return slices.DeleteFunc(s.Requests(), func(r Request) bool { return !r.Mutating() })
}

// ResetRequests empties the log.
func (s *Sim) ResetRequests() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.requests = nil
}

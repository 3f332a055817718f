package dosim

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Request is one line of the request log.
type Request struct {
	Time   time.Time // of arrival
	Method string
	Path   string // without a trailing slash
	Query  string
	Status int    // of the answer, even if it was lost; 0 before there is one
	Fault  string // the Kind of the injected fault, or ""
	Lost   bool   // the answer did not reach the client
}

// Mutating reports whether the request asked for a change.
func (r Request) Mutating() bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

type requestLog struct {
	mu      sync.Mutex
	entries []Request
}

// Requests returns every request so far, in order of arrival.
func (s *Sim) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.entries)
}

// Mutations returns the requests that asked for a change, in order of arrival.
func (s *Sim) Mutations() []Request {
	return slices.DeleteFunc(s.Requests(), func(r Request) bool { return !r.Mutating() })
}

// begin adds an entry and returns its index.
func (l *requestLog) begin(r Request) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, r)
	return len(l.entries) - 1
}

func (l *requestLog) update(i int, change func(*Request)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.entries[i])
}

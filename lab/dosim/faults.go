package dosim

import (
	"path"
	"slices"
	"sync"
	"time"
)

// Kind is a kind of misbehaviour.
type Kind int

// The kinds of faults.
const (
	TooManyRequests Kind = iota + 1 // 429 with Retry-After: Delay; nothing is done
	ServerError                     // 500 with a JSON error; nothing is done
	BadGateway                      // 502 with an HTML page; nothing is done
	Slow                            // answers correctly after Delay
	DropAfter                       // does the work, then closes the connection without an answer
	DropBefore                      // closes the connection; nothing is done
)

// String returns the text that Request.Fault shows.
func (k Kind) String() string {
	names := [...]string{"", "429", "500", "502", "slow", "drop after the work", "drop before the work"}
	if k < 0 || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// Fault makes the simulator misbehave on requests that match.
type Fault struct {
	Method string // "" is any
	// Path is a pattern of path.Match, for example "/v2/droplets" or
	// "/v2/firewalls/*/droplets"; "" is any. A request's trailing slash is ignored.
	Path  string
	Times int // number of requests; 0 is one, negative is all
	Kind  Kind
	Delay time.Duration // of Slow, and the Retry-After of TooManyRequests (whole seconds)
}

func (f Fault) matches(method, requestPath string) bool {
	if f.Method != "" && f.Method != method {
		return false
	}
	ok, err := path.Match(f.Path, requestPath)
	return f.Path == "" || err == nil && ok
}

type faults struct {
	mu   sync.Mutex
	list []Fault
}

// Inject adds a fault. If several match a request, the oldest strikes.
func (s *Sim) Inject(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, f)
}

// ClearFaults removes the faults that have not struck as often as they should, and
// returns their number.
func (s *Sim) ClearFaults() int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	left := len(s.faults.list)
	s.faults.list = nil
	return left
}

// take returns the fault for a request, if there is one, and counts it as struck.
func (f *faults) take(method, path string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.list, func(fault Fault) bool { return fault.matches(method, path) })
	if i < 0 {
		return Fault{}, false
	}
	found := f.list[i]
	if f.list[i].Times--; f.list[i].Times == 0 {
		f.list = slices.Delete(f.list, i, i+1)
	}
	return found, true
}

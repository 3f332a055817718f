package cfsim

import (
	"context"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/wait"
)

// Kind is a kind of misbehaviour.
type Kind int

// The kinds of misbehaviour.
const (
	// TooManyRequests answers 429 with code 971 and Retry-After; nothing is done.
	TooManyRequests Kind = iota + 1
	// ServerError answers 500 with a JSON body; nothing is done.
	ServerError
	// BadGateway answers 502 with an HTML page, as a proxy does; nothing is done.
	BadGateway
	// NotSuccessful answers 200 with success:false and code 1016; nothing is done.
	NotSuccessful
	// Slow waits for Delay, then answers as usual.
	Slow
	// DropAfter does the work, then closes the connection without an answer.
	DropAfter
	// DropBefore closes the connection; nothing is done.
	DropBefore
)

// String returns the kind as test logs show it.
func (k Kind) String() string {
	names := [...]string{"", "429", "500", "502", "200 without success", "slow", "drop after the work", "drop before the work"}
	if k < 0 || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// Fault makes the API misbehave on the requests that match.
type Fault struct {
	Method string // "" is any
	// Path is a pattern of path.Match for the path, with or without /client/v4,
	// such as "/zones/*/dns_records/batch"; "" is any.
	Path  string
	Skip  int // number of matching requests that pass first
	Times int // number of requests to hit; 0 is one, negative is all
	Kind  Kind
	// Delay is how long Slow waits, and the Retry-After of TooManyRequests (whole
	// seconds; zero is 1).
	Delay time.Duration
}

func (f *Fault) matches(method, p string) bool {
	if f.Method != "" && f.Method != method {
		return false
	}
	if f.Path == "" {
		return true
	}
	ok, err := path.Match(f.Path, p)
	return err == nil && ok
}

// faultQueue holds the faults that are still to strike, in the order of injection.
type faultQueue struct {
	mu     sync.Mutex
	faults []*Fault
}

// Inject makes the API misbehave. If several faults match a request, the oldest strikes.
func (s *Sim) Inject(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	f.Path = strings.TrimPrefix(f.Path, basePath)
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.faults = append(s.faults.faults, &f)
}

// ClearFaults removes the faults that have not struck as often as they should, and
// returns their number: a test that expects all of them to strike wants zero.
func (s *Sim) ClearFaults() int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	n := len(s.faults.faults)
	s.faults.faults = nil
	return n
}

// strike returns the fault that hits this request, or nil.
func (b *faultQueue) strike(method, p string) *Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, f := range b.faults {
		if !f.matches(method, p) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		hit := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				b.faults = append(b.faults[:i:i], b.faults[i+1:]...)
			}
		}
		return &hit
	}
	return nil
}

const gatewayPage = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n" +
	"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"

// misbehave does the part of a fault that comes before the work. It reports whether it
// has answered the request. It panics with http.ErrAbortHandler to close the
// connection, as net/http requires.
func (f *Fault) misbehave(ctx context.Context, w http.ResponseWriter) (answered bool) {
	switch f.Kind {
	case TooManyRequests:
		pause := max(f.Delay, time.Second)
		budget{quota: defaultRequests, window: defaultWindow, reset: pause}.describe(w.Header())
		writeError(w, errSlowDown(pause))
	case ServerError:
		writeError(w, refusal(http.StatusInternalServerError, codeInternal, "Internal server error"))
	case BadGateway:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte(gatewayPage))
	case NotSuccessful:
		writeError(w, refusal(http.StatusOK, codeNotSuccessful, "An unknown error has occurred"))
	case Slow:
		if wait.For(ctx, f.Delay) != nil {
			panic(http.ErrAbortHandler)
		}
		return false
	case DropBefore:
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

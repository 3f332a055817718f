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

// Kind is a way to misbehave.
type Kind int

// The ways to misbehave.
const (
	// TooManyRequests answers 429 with code 971 and Retry-After; nothing is done.
	TooManyRequests Kind = iota + 1
	// ServerError answers 500 with a JSON body; nothing is done.
	ServerError
	// BadGateway answers 502 with an HTML page, as a proxy does; nothing is done.
	BadGateway
	// NotSuccessful answers 200 with success:false and code 1016; nothing is done.
	NotSuccessful
	// Slow waits for Delay, then works as usual.
	Slow
	// DropAfter does the work, then cuts the connection in place of the answer.
	DropAfter
	// DropBefore cuts the connection before anything is done.
	DropBefore
)

func (k Kind) String() string {
	names := [...]string{"", "429", "500", "502", "200 without success", "slow", "drop after the work", "drop before the work"}
	if k < 0 || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// Fault is a way to misbehave and the requests it hits.
type Fault struct {
	Method string // "" is any
	// Path is a pattern of path.Match for the path, with or without /client/v4,
	// such as "/zones/*/dns_records/batch"; "" is any.
	Path  string
	Skip  int // matching requests to let through first
	Times int // requests to hit; 0 is one, negative is all that come
	Kind  Kind
	// Delay is how long Slow waits, and what Retry-After of TooManyRequests says
	// (whole seconds; zero is 1).
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

// faultBox holds the faults that are still to strike, in the order of injection.
type faultBox struct {
	mu     sync.Mutex
	faults []*Fault
}

// Inject makes the API misbehave. Of several faults that match a request the
// one injected first strikes.
func (s *Sim) Inject(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	f.Path = strings.TrimPrefix(f.Path, basePath)
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.faults = append(s.faults.faults, &f)
}

// ClearFaults forgets the faults that have not struck yet, and returns how many
// there were: a test that expected them all to strike wants zero.
func (s *Sim) ClearFaults() int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	n := len(s.faults.faults)
	s.faults.faults = nil
	return n
}

// strike returns the fault that hits this request, or nil.
func (b *faultBox) strike(method, p string) *Fault {
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

// misbehave does what the fault says ahead of the work. It reports whether the
// request is answered with that. It panics with http.ErrAbortHandler to cut the
// connection, which is how net/http wants it.
func (f *Fault) misbehave(ctx context.Context, w http.ResponseWriter) (answered bool) {
	switch f.Kind {
	case TooManyRequests:
		pause := max(f.Delay, time.Second)
		budget{quota: standardRequests, window: standardWindow, reset: pause}.describe(w.Header())
		writeError(w, errSlowDown(pause))
	case ServerError:
		writeError(w, refuse(http.StatusInternalServerError, codeInternal, "Internal server error"))
	case BadGateway:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte(gatewayPage))
	case NotSuccessful:
		writeError(w, refuse(http.StatusOK, codeNotSuccessful, "An unknown error has occurred"))
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

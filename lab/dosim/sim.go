// Package dosim simulates DigitalOcean's API v2: droplets, volumes, snapshots, actions, firewalls,
// VPCs, tags, keys, reserved IPs and the catalogue, with tokens, rate limits,
// latencies and errors like the real one's. A Booter boots a host of the lab for
// each droplet; without one it needs nothing. A Fault makes it misbehave.
//
// Messages and limits follow the vendor's OpenAPI document and public issues. The
// tests validate every answer against that document.
package dosim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/secret"
)

// Options configure a Sim. The zero value of every field but Token is usable.
type Options struct {
	// Token is the only bearer token that is accepted. If it is empty, every request is refused.
	Token secret.Value
	// Booter boots the droplets' hosts; nil means droplets that exist in the API only.
	Booter Booter
	// Now is the clock of timestamps and rate limits; nil is time.Now.
	Now func() time.Time
	// Log receives the Booter's errors; nil discards them.
	Log *slog.Logger

	// Account is the id of the token's account and team; "" is the lab's.
	Account string

	Limits Limits
	// BootDelay passes before a new droplet's Boot, ActionDelay before any other action.
	BootDelay, ActionDelay time.Duration

	// Public, Private and Reserved are the networks of the addresses. Each begins at
	// its .11; .1 is the gateway. Invalid ones mean 10.213.1.0/24, 10.213.2.0/24 and
	// 10.213.3.0/24.
	Public, Private, Reserved netip.Prefix
}

// Limits are those of the account; 0 in a field means the vendor's default.
type Limits struct {
	PerHour       int // requests in a sliding hour; default 5,000
	PerMinute     int // burst limit of requests; default 250
	KeysPerMinute int // requests of GET /v2/account/keys; default 10
	Droplets      int // default 25
	ReservedIPs   int // default 3
	Volumes       int // default 100
}

func (l Limits) withDefaults() Limits {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&l.PerHour, 5000)
	set(&l.PerMinute, 250)
	set(&l.KeysPerMinute, 10)
	set(&l.Droplets, 25)
	set(&l.ReservedIPs, 3)
	set(&l.Volumes, 100)
	return l
}

// Sim is the simulator, an http.Handler. It is safe for concurrent use. Close it.
type Sim struct {
	options   Options
	catalogue catalogue
	mux       *http.ServeMux
	hourly    limiter
	burst     limiter
	keyLists  limiter
	faults    faults
	log       requestLog

	mu         sync.Mutex // guards everything below, and the objects in it
	lastID     int        // of droplets, actions and keys
	droplets   map[int]*droplet
	destroying map[int]*droplet // deleted, but their hosts are not destroyed yet
	actions    map[int]*action
	sshKeys    map[int]*sshKey
	tags       map[string]*tag
	vpcs       map[string]*vpc
	firewalls  map[string]*firewall
	reserved   map[netip.Addr]*reservedIP
	failures   []error
	bootFaults []BootFault
	volumes    map[string]*volume
	snapshots  map[string]*snapshot
	ownImages  map[int]*image
	projects   map[string]*project
	assigned   map[string]string // resources' URNs to projects' ids; the others are the default project's

	jobs    sync.WaitGroup
	closed  bool
	lastJob int
	cancels map[int]context.CancelCauseFunc
}

// errClosed is the cause of work that Close has cancelled.
var errClosed = errors.New("the simulator was closed")

// New returns a simulator with an empty account.
func New(o Options) *Sim {
	if o.Booter == nil {
		o.Booter = noBooter{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Limits = o.Limits.withDefaults()
	if o.Account == "" {
		o.Account = accountUUID
	}
	for prefix, text := range map[*netip.Prefix]string{
		&o.Public: "10.213.1.0/24", &o.Private: "10.213.2.0/24", &o.Reserved: "10.213.3.0/24",
	} {
		if !prefix.IsValid() {
			*prefix = netip.MustParsePrefix(text)
		}
	}
	s := &Sim{
		options:    o,
		catalogue:  newCatalogue(),
		hourly:     limiter{window: time.Hour, limit: o.Limits.PerHour},
		burst:      limiter{window: time.Minute, limit: o.Limits.PerMinute},
		keyLists:   limiter{window: time.Minute, limit: o.Limits.KeysPerMinute},
		lastID:     400_000_000,
		droplets:   map[int]*droplet{},
		destroying: map[int]*droplet{},
		actions:    map[int]*action{},
		sshKeys:    map[int]*sshKey{},
		tags:       map[string]*tag{},
		vpcs:       map[string]*vpc{},
		firewalls:  map[string]*firewall{},
		reserved:   map[netip.Addr]*reservedIP{},
		cancels:    map[int]context.CancelCauseFunc{},
		volumes:    map[string]*volume{},
		snapshots:  map[string]*snapshot{},
		ownImages:  map[int]*image{},
		projects:   map[string]*project{},
		assigned:   map[string]string{},
	}
	s.addDefaultProject()
	s.mux = s.routes()
	return s
}

// Machines returns the machines that have not been destroyed, in order of creation,
// including those that are booting or being destroyed.
func (s *Sim) Machines() []Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Machine
	for _, all := range []map[int]*droplet{s.droplets, s.destroying} {
		for _, d := range sortedValues(all) {
			out = append(out, d.machine())
		}
	}
	return out
}

// Close cancels the work in progress and waits for it. It destroys no machine; see
// Machines. The error joins all errors of the Booter since New.
func (s *Sim) Close() error {
	s.mu.Lock()
	s.closed = true
	for _, cancel := range s.cancels {
		cancel(errClosed)
	}
	s.mu.Unlock()
	s.jobs.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failures...)
}

// runInBackground runs work until it is done or Close cancels it. The caller holds s.mu.
func (s *Sim) runInBackground(work func(context.Context)) {
	if s.closed {
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	s.lastJob++
	job := s.lastJob
	s.cancels[job] = cancel
	s.jobs.Go(func() {
		work(ctx)
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.cancels, job)
	})
}

// recordFailure records an error of the Booter for Close. A cancellation by Close is
// not a failure.
func (s *Sim) recordFailure(what string, id int, err error) {
	if errors.Is(err, errClosed) || errors.Is(err, context.Canceled) {
		return
	}
	s.options.Log.Error("droplet", "doing", what, "id", id, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, fmt.Errorf("%s droplet %d: %w", what, id, err))
}

// noBooter is the Booter of droplets that exist in the API only.
type noBooter struct{}

func (noBooter) Boot(context.Context, Machine) error        { return nil }
func (noBooter) Destroy(context.Context, int) error         { return nil }
func (noBooter) Firewall(context.Context, int, Rules) error { return nil }

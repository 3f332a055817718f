// Package dosim simulates DigitalOcean's API v2: droplets, actions, firewalls,
// VPCs, tags, keys, reserved IPs and the catalogue, with tokens, rate limits,
// latencies and errors like the real one's. A Booter makes its droplets real
// hosts of the lab; a Fault makes it misbehave.
//
// Messages and limits follow the vendor's OpenAPI document and public issues;
// every answer is held against that document in the tests.
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
	// Token is the one bearer token that is accepted. Without it every request is refused.
	Token secret.Value
	// Booter makes droplets real; nil makes droplets that exist in the API only.
	Booter Booter
	// Now is the clock of timestamps and rate limits; nil is time.Now.
	Now func() time.Time
	// Log receives what goes wrong behind the API; nil discards it.
	Log *slog.Logger

	Limits Limits
	// BootDelay passes before a new droplet's Boot, ActionDelay before any other action is done.
	BootDelay, ActionDelay time.Duration

	// Regions, Sizes and Images are the catalogue; nil means the defaults.
	Regions []Region
	Sizes   []Size
	Images  []Image

	// Public, Private and Reserved are where addresses are allotted from, each
	// from its .11 on, the .1 being the gateway; invalid ones mean 10.213.1.0/24,
	// 10.213.2.0/24 and 10.213.3.0/24.
	Public, Private, Reserved netip.Prefix
}

// Limits are the account's; a field that is 0 takes the vendor's default.
type Limits struct {
	PerHour       int // requests in a sliding hour; 5,000
	PerMinute     int // the burst limit; 250
	KeysPerMinute int // GET /v2/account/keys; 10
	Droplets      int // 25
	ReservedIPs   int // 3
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
	return l
}

// Sim is the simulator, an http.Handler. It is safe for concurrent use. Close it.
type Sim struct {
	opts   Options
	mux    *http.ServeMux
	hourly limiter
	burst  limiter
	keyGet limiter
	faults faults
	log    requestLog

	mu       sync.Mutex // guards all below, and the objects they hold
	lastID   int        // of droplets, actions, keys and images alike
	droplets map[int]*droplet
	leaving  map[int]*droplet // deleted, their machines not yet destroyed
	actions  map[int]*action
	sshKeys  map[int]*sshKey
	tags     map[string]*tag
	vpcs     map[string]*vpc
	walls    map[string]*firewall
	reserved map[netip.Addr]*reservedIP
	failures []error

	jobs    sync.WaitGroup
	closed  bool
	lastJob int
	cancels map[int]context.CancelCauseFunc
}

// ErrClosed is the cause of cancelled work after Close.
var ErrClosed = errors.New("the simulator was closed")

// New returns a simulator with an empty account.
func New(o Options) *Sim {
	if o.Booter == nil {
		o.Booter = noHosts{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Limits = o.Limits.withDefaults()
	o.withCatalogue()
	for prefix, text := range map[*netip.Prefix]string{
		&o.Public: "10.213.1.0/24", &o.Private: "10.213.2.0/24", &o.Reserved: "10.213.3.0/24",
	} {
		if !prefix.IsValid() {
			*prefix = netip.MustParsePrefix(text)
		}
	}
	s := &Sim{
		opts:     o,
		hourly:   limiter{window: time.Hour, limit: o.Limits.PerHour},
		burst:    limiter{window: time.Minute, limit: o.Limits.PerMinute},
		keyGet:   limiter{window: time.Minute, limit: o.Limits.KeysPerMinute},
		lastID:   400_000_000,
		droplets: map[int]*droplet{},
		leaving:  map[int]*droplet{},
		actions:  map[int]*action{},
		sshKeys:  map[int]*sshKey{},
		tags:     map[string]*tag{},
		vpcs:     map[string]*vpc{},
		walls:    map[string]*firewall{},
		reserved: map[netip.Addr]*reservedIP{},
		cancels:  map[int]context.CancelCauseFunc{},
	}
	s.mux = s.routes()
	return s
}

// Machines returns the machines that have not been destroyed, in order of
// creation, those included that are still booting or being destroyed.
func (s *Sim) Machines() []Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Machine
	for _, all := range []map[int]*droplet{s.droplets, s.leaving} {
		for _, d := range sortedValues(all) {
			out = append(out, d.machine())
		}
	}
	return out
}

// Close cancels the work in progress and waits for it. It destroys no machine;
// see Machines. The error says which machines could not be booted, firewalled
// or destroyed while the simulator ran.
func (s *Sim) Close() error {
	s.mu.Lock()
	s.closed = true
	for _, cancel := range s.cancels {
		cancel(ErrClosed)
	}
	s.mu.Unlock()
	s.jobs.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failures...)
}

// background runs work beside the requests until it is done or Close cancels
// it. The caller holds s.mu.
func (s *Sim) background(work func(context.Context)) {
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

// failed records trouble behind the API; a cancellation by Close is none.
func (s *Sim) failed(what string, id int, err error) {
	if errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) {
		return
	}
	s.opts.Log.Error("droplet", "doing", what, "id", id, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, fmt.Errorf("%s droplet %d: %w", what, id, err))
}

// noHosts is the Booter of droplets that exist in the API only.
type noHosts struct{}

func (noHosts) Boot(context.Context, Machine) error        { return nil }
func (noHosts) Destroy(context.Context, int) error         { return nil }
func (noHosts) Firewall(context.Context, int, Rules) error { return nil }

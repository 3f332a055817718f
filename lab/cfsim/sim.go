package cfsim

import (
	"crypto/rand"
	"encoding/hex"
	"math"
	randv2 "math/rand/v2"
	"sync"
	"time"
)

// Plan is the plan of every zone of the account; it decides the limits.
type Plan string

// The plans that Cloudflare sells, from the tightest limits to the widest.
const (
	PlanFree       Plan = "free"
	PlanPro        Plan = "pro"
	PlanBusiness   Plan = "business"
	PlanEnterprise Plan = "enterprise"
)

// planLimits are the quotas of a plan (Cloudflare's documentation of the batch
// endpoint, record attributes and cache purge).
type planLimits struct {
	batch       int // records a batch
	comment     int // characters a comment
	tags        int // tags a record
	minTTL      int // seconds
	purges      int // purge requests a purgeWindow
	purgeWindow time.Duration
	purgeItems  int // items a purge request
}

func (p Plan) limits() planLimits {
	switch p {
	case PlanPro:
		return planLimits{3500, 500, 20, 60, 5, time.Second, 100}
	case PlanBusiness:
		return planLimits{3500, 500, 20, 60, 10, time.Second, 100}
	case PlanEnterprise:
		return planLimits{3500, 500, 20, 30, 50, time.Second, 100}
	default:
		return planLimits{200, 100, 0, 60, 5, time.Minute, 100}
	}
}

// Cloudflare's limit of requests per token.
const (
	standardRequests = 1200
	standardWindow   = 5 * time.Minute
)

// Limits are the account's request limits. Zero means Cloudflare's value,
// a negative number means no limit.
type Limits struct {
	Requests  int           // per token and Window; default 1200
	Window    time.Duration // default 5 minutes; also how long the token stays blocked
	PerSecond int           // per client address; default 200
}

// Options configure a Sim.
type Options struct {
	// Token may do everything that a migration's token may: read zones, edit
	// records, purge. Required: with no token every request is refused.
	Token string
	// ReadToken may only read; anything else is answered 403 with code 10000.
	ReadToken string
	// Plan of all zones; default PlanFree.
	Plan Plan
	// AccountID and AccountName of the account that owns the zones; both have defaults.
	AccountID, AccountName string
	// Propagation is how long a record change takes to the edge and the DNS
	// server, on average: each change takes between half and one and a half of
	// it. Default 50 ms; negative means at once.
	Propagation time.Duration
	// Limits of requests.
	Limits Limits
	// Now is the clock of the API, limits and propagation; default time.Now.
	Now func() time.Time
}

// Sim is one simulated Cloudflare account. It is an http.Handler that serves the
// API below /client/v4, and safe for concurrent use.
type Sim struct {
	opts    Options
	plan    planLimits
	faults  faultBox
	log     requestLog
	tokens  limiter
	clients limiter
	purges  limiter
	tokenID string

	mu     sync.RWMutex
	zones  map[string]*zone // by id
	byName map[string]*zone
	edges  map[*Edge]struct{}
}

// New returns an account without zones.
func New(opts Options) *Sim {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Propagation == 0 {
		opts.Propagation = 50 * time.Millisecond
	}
	if opts.AccountID == "" {
		opts.AccountID = newID()
	}
	if opts.AccountName == "" {
		opts.AccountName = "Lab Account"
	}
	if opts.Plan == "" {
		opts.Plan = PlanFree
	}
	plan := opts.Plan.limits()
	limits := opts.Limits
	window := orDefault(limits.Window, standardWindow)
	return &Sim{
		opts:    opts,
		tokenID: newID(),
		plan:    plan,
		tokens:  newLimiter(orDefault(limits.Requests, standardRequests), window, window),
		clients: newLimiter(orDefault(limits.PerSecond, 200), time.Second, 0),
		purges:  newLimiter(plan.purges, plan.purgeWindow, 0),
		zones:   map[string]*zone{},
		byName:  map[string]*zone{},
		edges:   map[*Edge]struct{}{},
	}
}

// AccountID is the id that POST /zones wants as account.id.
func (s *Sim) AccountID() string { return s.opts.AccountID }

// visibleAt is when a change made now reaches the edge and the DNS server.
func (s *Sim) visibleAt(now time.Time) time.Time {
	delay := s.opts.Propagation
	if delay < 0 {
		return now
	}
	return now.Add(delay/2 + randv2.N(delay+1))
}

// Settle returns how long to wait at most until every change made so far is
// visible at the edge and in DNS.
func (s *Sim) Settle() time.Duration {
	now := s.opts.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var wait time.Duration
	for _, z := range s.zones {
		wait = max(wait, z.view.settled.Sub(now))
	}
	return wait
}

func orDefault[T int | time.Duration](v, standard T) T {
	switch {
	case v == 0:
		return standard
	case v < 0:
		return math.MaxInt32
	default:
		return v
	}
}

// newID is an identifier as Cloudflare makes them: 32 hexadecimal digits.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

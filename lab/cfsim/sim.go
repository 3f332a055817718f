package cfsim

import (
	"crypto/rand"
	"encoding/hex"
	"math"
	randv2 "math/rand/v2"
	"sync"
	"time"
)

// Plan is the plan of every zone of the account. It determines the limits.
type Plan string

// The plans that Cloudflare sells, from the tightest limits to the widest.
const (
	PlanFree       Plan = "free"
	PlanPro        Plan = "pro"
	PlanBusiness   Plan = "business"
	PlanEnterprise Plan = "enterprise"
)

// planLimits are the limits of a plan (Cloudflare's documentation of the batch
// endpoint, record attributes and cache purge).
type planLimits struct {
	batch       int // records in a batch
	comment     int // characters of a comment
	tags        int // tags of a record
	minTTL      int // seconds
	purges      int // purge requests in a purgeWindow
	purgeWindow time.Duration
	purgeItems  int // items of a purge request
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

// accountName is the name of the account that owns the zones.
const accountName = "Lab Account"

// Cloudflare's limit of requests per token.
const (
	defaultRequests = 1200
	defaultWindow   = 5 * time.Minute
)

// Limits are the account's request limits. Zero means Cloudflare's value,
// a negative number means no limit.
type Limits struct {
	Requests  int // per token in 5 minutes; default 1200; then the token is blocked for 5 minutes
	PerSecond int // per client address; default 200
}

// Options configure a Sim.
type Options struct {
	// Token may read zones, edit records and purge, as a migration's token may. It is
	// required: without a token every request is refused.
	Token string
	// ReadToken may only read. Any other request gets 403 with code 10000.
	ReadToken string
	// Plan of all zones; default PlanFree.
	Plan Plan
	// Propagation is the average time that a record change takes to reach the edge and
	// the DNS server. Each change takes between half and one and a half of it. Default
	// 50 ms; negative means at once.
	Propagation time.Duration
	// Limits of requests.
	Limits Limits
	// Now is the clock of the API, limits and propagation; default time.Now.
	Now func() time.Time
}

// Sim is one simulated Cloudflare account, an http.Handler that serves the API below
// /client/v4. It is safe for concurrent use.
type Sim struct {
	options   Options
	plan      planLimits
	faults    faultQueue
	log       requestLog
	tokens    limiter
	clients   limiter
	purges    limiter
	tokenID   string
	accountID string

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
	if opts.Plan == "" {
		opts.Plan = PlanFree
	}
	plan := opts.Plan.limits()
	limits := opts.Limits
	return &Sim{
		options:   opts,
		tokenID:   newID(),
		accountID: newID(),
		plan:      plan,
		tokens:    newLimiter(valueOr(limits.Requests, defaultRequests), defaultWindow, defaultWindow),
		clients:   newLimiter(valueOr(limits.PerSecond, 200), time.Second, 0),
		purges:    newLimiter(plan.purges, plan.purgeWindow, 0),
		zones:     map[string]*zone{},
		byName:    map[string]*zone{},
		edges:     map[*Edge]struct{}{},
	}
}

// AccountID returns the id that POST /zones requires as account.id.
func (s *Sim) AccountID() string { return s.accountID }

// visibleAt returns when a change made now reaches the edge and the DNS server.
func (s *Sim) visibleAt(now time.Time) time.Time {
	delay := s.options.Propagation
	if delay < 0 {
		return now
	}
	return now.Add(delay/2 + randv2.N(delay+1))
}

// Settle returns the time until every change so far is visible at the edge and in
// DNS; zero or less if all are.
func (s *Sim) Settle() time.Duration {
	now := s.options.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var wait time.Duration
	for _, z := range s.zones {
		wait = max(wait, z.view.settled.Sub(now))
	}
	return wait
}

// valueOr returns a limit: fallback for 0, and no limit for a negative value.
func valueOr(v, fallback int) int {
	switch {
	case v == 0:
		return fallback
	case v < 0:
		return math.MaxInt32
	default:
		return v
	}
}

// newID returns an identifier of Cloudflare's form: 32 hexadecimal digits.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

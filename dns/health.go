package dns

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// Probe is one URL of the service, and the source address whose target must answer
// it.
type Probe struct {
	// URL as a client requests it, e.g. "https://www.example.com/health". Its host is
	// sent as Host and as the TLS server name. The probe connects to its port.
	URL string
	Old netip.Addr
}

// ProbesOf returns a probe for each entry, with url. "{address}" in it stands for the
// record's name. Wildcards have no name to request and are left out.
func ProbesOf(entries []Entry, url string) []Probe {
	var out []Probe
	for _, e := range entries {
		if !strings.HasPrefix(e.Record.Name, "*.") {
			out = append(out, Probe{strings.ReplaceAll(url, "{address}", e.Record.Name), e.Old})
		}
	}
	return out
}

// HealthySpec describes the gate.
type HealthySpec struct {
	Name      string // of the step; "" means Side + "-healthy"
	Side      string // that is probed, for texts; "" means "target"
	Probes    []Probe
	Addresses Addresses
	InARow    int           // consecutive rounds that must be healthy; 0 means 3
	Interval  time.Duration // between two rounds; 0 means 1 s
	Within    time.Duration // longest wait; 0 means 2 minutes
	// TLS is for targets whose certificate is not signed by a public authority (an
	// origin certificate). nil verifies as a browser does.
	TLS *tls.Config
}

const probeTimeout = 5 * time.Second

type healthGate struct {
	plan.ReadOnly
	HealthySpec
}

// Healthy returns the gate before every flip (invariant I4). The target's address
// must answer each probe with 2xx, InARow times without a failure between, and the
// probe asks as clients will. A redirect from http to https of the same name is
// followed, to the same address, because browsers get to the service that way. Any
// other redirect counts as a failure: it says nothing about this service's health.
func Healthy(spec HealthySpec) plan.Step {
	if spec.Side == "" {
		spec.Side = "target"
	}
	if spec.Name == "" {
		spec.Name = spec.Side + "-healthy"
	}
	if spec.InARow == 0 {
		spec.InARow = 3
	}
	if spec.Interval == 0 {
		spec.Interval = time.Second
	}
	if spec.Within == 0 {
		spec.Within = 2 * time.Minute
	}
	var urls []string
	for _, p := range spec.Probes {
		urls = append(urls, p.URL)
	}
	repeats := fmt.Sprintf(" %d times in a row", spec.InARow)
	if spec.InARow == 1 {
		repeats = ""
	}
	return plan.Step{
		Name:    stepName(spec.Name),
		Summary: fmt.Sprintf("the %s answers%s for %s", spec.Side, repeats, shortList(urls)),
		Gate:    true,
		Op:      &healthGate{HealthySpec: spec},
	}
}

// Check asks every probe once. It never reports the gate as done: the target must be
// healthy at the moment of the flip.
func (h *healthGate) Check(ctx context.Context) (plan.State, error) {
	want := fmt.Sprintf("%d of %d probes healthy", len(h.Probes), len(h.Probes))
	for _, p := range h.Probes {
		if _, err := h.Addresses.TargetOf(p.Old); errors.Is(err, ErrNotProvisioned) {
			return plan.State{Unknown: true, Now: err.Error(), Want: want}, nil
		} else if err != nil {
			return plan.State{}, fmt.Errorf("probe %s: %w", p.URL, err)
		}
	}
	failures := h.round(ctx)
	if err := ctx.Err(); err != nil {
		return plan.State{}, fmt.Errorf("probe the %s: %w", h.Side, err)
	}
	now := fmt.Sprintf("%d of %d probes healthy", len(h.Probes)-len(failures), len(h.Probes))
	if len(failures) > 0 {
		now += ": " + failures[0].Error()
	}
	return plan.State{Now: now, Want: want}, nil
}

// Apply repeats rounds until every probe was healthy InARow times in a row.
func (h *healthGate) Apply(ctx context.Context) error {
	for _, p := range h.Probes {
		if _, err := h.Addresses.TargetOf(p.Old); err != nil {
			return fmt.Errorf("probe %s: %w", p.URL, err) // waiting would not help
		}
	}
	deadline := time.NewTimer(h.Within)
	defer deadline.Stop()
	tick := time.NewTicker(h.Interval)
	defer tick.Stop()
	for healthyRounds := 0; ; {
		failures := h.round(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for a healthy %s: %w", h.Side, err)
		}
		if len(failures) > 0 && healthyRounds > 0 {
			report.Note(ctx, "healthy %d times in a row, then not: %s", healthyRounds, failures[0])
		}
		healthyRounds++
		if len(failures) > 0 {
			healthyRounds = 0
		}
		report.Show(ctx, report.Progress{Done: int64(healthyRounds), Total: int64(h.InARow), Unit: "rounds", What: h.Side + " healthy"})
		if healthyRounds >= h.InARow {
			return nil
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			return fmt.Errorf("wait for a healthy %s: %w", h.Side, ctx.Err())
		case <-deadline.C:
		}
		if len(failures) == 0 {
			failures = []error{fmt.Errorf("only the last %d answers were good", healthyRounds)}
		}
		return report.WithHint(fmt.Errorf("%s not healthy within %s: %w", h.Side, h.Within, errors.Join(failures...)),
			"no record points at the %s before it is healthy: repair the service there, then run the same command again", h.Side)
	}
}

// Verify asks every probe once more.
func (h *healthGate) Verify(ctx context.Context) error { return errors.Join(h.round(ctx)...) }

// round asks every probe, concurrently, and returns the errors of those that failed,
// in the order of the probes.
func (h *healthGate) round(ctx context.Context) []error {
	const atOnce = 16
	errs := make([]error, len(h.Probes))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, p := range h.Probes {
		group.Go(func() error {
			errs[i] = h.ask(ctx, p)
			return nil // an error must not stop the other probes
		})
	}
	_ = group.Wait() // errors are in errs
	var failures []error
	for _, err := range errs {
		if err != nil {
			failures = append(failures, err)
		}
	}
	return failures
}

// ask sends one request over a new connection: one that is kept alive would prove
// nothing about new clients.
func (h *healthGate) ask(ctx context.Context, p Probe) error {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("probe %s: not a URL with a host", p.URL)
	}
	address, err := h.Addresses.TargetOf(p.Old)
	if err != nil {
		return fmt.Errorf("probe %s: %w", p.URL, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return fmt.Errorf("probe %s: %w", p.URL, err)
	}
	resp, err := h.client(u, address).Do(req)
	if err != nil {
		return fmt.Errorf("probe %s at %s: %w", p.URL, address, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // the status is what counts
	answer := resp.Status
	if location := resp.Header.Get("Location"); location != "" {
		answer += " to " + location
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("probe %s at %s: answer %s", p.URL, address, answer)
	}
	return nil
}

// client returns an HTTP client that connects to one address, whatever the URL's
// name is.
func (h *healthGate) client(asked *url.URL, address netip.Addr) *http.Client {
	return &http.Client{
		Timeout: probeTimeout,
		Transport: &http.Transport{
			Proxy:             nil, // a proxy of the environment would answer in place of the target
			DisableKeepAlives: true,
			TLSClientConfig:   h.TLS.Clone(),
			DialContext: func(ctx context.Context, network, name string) (net.Conn, error) {
				_, port, err := net.SplitHostPort(name)
				if err != nil {
					return nil, err
				}
				return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(address.String(), port))
			},
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			same := strings.EqualFold(next.URL.Hostname(), asked.Hostname())
			if len(via) > 1 || !same || asked.Scheme != "http" || next.URL.Scheme != "https" {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

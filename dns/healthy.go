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

// Probe is one URL of the service and the source address whose target must
// answer it.
type Probe struct {
	// URL as a client asks for it, e.g. "https://www.example.com/health": its host
	// is sent as Host and as the TLS server name, its port is connected to.
	URL string
	Old netip.Addr
}

// ProbesOf are the probes of entries by one URL, in which "{address}" stands for
// each record's name; wildcards, which have no name of their own, are left out.
func ProbesOf(entries []Entry, url string) []Probe {
	var out []Probe
	for _, e := range entries {
		if !strings.HasPrefix(e.Record.Name, "*.") {
			out = append(out, Probe{strings.ReplaceAll(url, "{address}", e.Record.Name), e.Old})
		}
	}
	return out
}

// HealthySpec is what the gate needs.
type HealthySpec struct {
	Name      string // of the step; "" is "target-healthy"
	Side      string // that is asked, in texts; "" is "target"
	Probes    []Probe
	Addresses Addresses
	InARow    int           // good answers that are wanted; 0 is 3
	Interval  time.Duration // between two rounds; 0 is 1s
	Within    time.Duration // longest wait; 0 is 2 minutes
	// TLS is for targets whose certificate is not of a public authority (an
	// origin certificate); nil verifies as a browser does.
	TLS *tls.Config
}

const probeTimeout = 5 * time.Second

type healthy struct {
	plan.ReadOnly
	HealthySpec
}

// Healthy is the gate before every flip (invariant I4): each probe is answered
// 2xx by the target's address, as its clients will ask it, InARow times without
// a failure between. A redirect from http to https of the same name, which is
// how browsers get there, is followed, to the same address; any other one says
// nothing of this service's health.
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
	often := fmt.Sprintf(" %d times in a row", spec.InARow)
	if spec.InARow == 1 {
		often = ""
	}
	return plan.Step{
		Name:    stepName(spec.Name),
		Summary: fmt.Sprintf("the %s answers%s for %s", spec.Side, often, shortList(urls)),
		Gate:    true,
		Op:      &healthy{HealthySpec: spec},
	}
}

// Check asks once. It is never done: the gate must hold when it is passed.
func (h *healthy) Check(ctx context.Context) (plan.State, error) {
	want := fmt.Sprintf("%d of %d probes healthy", len(h.Probes), len(h.Probes))
	for _, p := range h.Probes {
		if _, err := h.Addresses.New(p.Old); errors.Is(err, ErrNotProvisioned) {
			return plan.State{Unknown: true, Now: err.Error(), Want: want}, nil
		} else if err != nil {
			return plan.State{}, fmt.Errorf("probe %s: %w", p.URL, err)
		}
	}
	bad := h.round(ctx)
	if err := ctx.Err(); err != nil {
		return plan.State{}, fmt.Errorf("probe the %s: %w", h.Side, err)
	}
	now := fmt.Sprintf("%d of %d probes healthy", len(h.Probes)-len(bad), len(h.Probes))
	if len(bad) > 0 {
		now += ": " + bad[0].Error()
	}
	return plan.State{Now: now, Want: want}, nil
}

// Apply asks until every probe was good InARow times in a row.
func (h *healthy) Apply(ctx context.Context) error {
	for _, p := range h.Probes {
		if _, err := h.Addresses.New(p.Old); err != nil {
			return fmt.Errorf("probe %s: %w", p.URL, err) // waiting does not make it known
		}
	}
	deadline := time.NewTimer(h.Within)
	defer deadline.Stop()
	tick := time.NewTicker(h.Interval)
	defer tick.Stop()
	for good := 0; ; {
		bad := h.round(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for a healthy %s: %w", h.Side, err)
		}
		if len(bad) > 0 && good > 0 {
			report.Note(ctx, "healthy %d times in a row, then not: %s", good, bad[0])
		}
		good++
		if len(bad) > 0 {
			good = 0
		}
		report.Show(ctx, report.Progress{Done: int64(good), Total: int64(h.InARow), Unit: "rounds", What: h.Side + " healthy"})
		if good >= h.InARow {
			return nil
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			return fmt.Errorf("wait for a healthy %s: %w", h.Side, ctx.Err())
		case <-deadline.C:
		}
		if len(bad) == 0 {
			bad = []error{fmt.Errorf("only the last %d answers were good", good)}
		}
		return report.WithHint(fmt.Errorf("%s not healthy within %s: %w", h.Side, h.Within, errors.Join(bad...)),
			"no record points at the %s before it is healthy: repair the service there, then run the same command again", h.Side)
	}
}

// Verify asks once more.
func (h *healthy) Verify(ctx context.Context) error { return errors.Join(h.round(ctx)...) }

// round asks every probe, side by side, and returns what is wrong, in order.
func (h *healthy) round(ctx context.Context) []error {
	const atOnce = 16
	errs := make([]error, len(h.Probes))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, p := range h.Probes {
		group.Go(func() error {
			errs[i] = h.ask(ctx, p)
			return nil // all are asked
		})
	}
	_ = group.Wait() // errors are in errs
	var bad []error
	for _, err := range errs {
		if err != nil {
			bad = append(bad, err)
		}
	}
	return bad
}

// ask makes one request of its own connection: a kept one would prove nothing
// about new clients.
func (h *healthy) ask(ctx context.Context, p Probe) error {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("probe %s: not a URL with a host", p.URL)
	}
	to, err := h.Addresses.New(p.Old)
	if err != nil {
		return fmt.Errorf("probe %s: %w", p.URL, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return fmt.Errorf("probe %s: %w", p.URL, err)
	}
	resp, err := h.client(u, to).Do(req)
	if err != nil {
		return fmt.Errorf("probe %s at %s: %w", p.URL, to, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // the status is what counts
	answer := resp.Status
	if where := resp.Header.Get("Location"); where != "" {
		answer += " to " + where
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("probe %s at %s: answer %s", p.URL, to, answer)
	}
	return nil
}

// client connects to one address, whatever name it is asked for.
func (h *healthy) client(asked *url.URL, to netip.Addr) *http.Client {
	return &http.Client{
		Timeout: probeTimeout,
		Transport: &http.Transport{
			Proxy:             nil, // the target's real path, whatever the environment says
			DisableKeepAlives: true,
			TLSClientConfig:   h.TLS.Clone(),
			DialContext: func(ctx context.Context, network, name string) (net.Conn, error) {
				_, port, err := net.SplitHostPort(name)
				if err != nil {
					return nil, err
				}
				return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(to.String(), port))
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

package parity

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

// healthBudget limits the wait until a started application is healthy.
const healthBudget = time.Minute

// servicesOp enables and starts an application's units on a host, in order, and waits
// until the application is healthy.
type servicesOp struct {
	app    provision.Application
	host   string
	deps   provision.Deps
	client *http.Client
}

// newServices returns the step that starts the application on a host.
func newServices(app provision.Application, host string, d provision.Deps) plan.Step {
	summary := fmt.Sprintf("enable and start %s of %s on %s", strings.Join(app.Services, ", "), app.Name, host)
	if app.Health != "" {
		summary += ", healthy at " + app.Health
	}
	client := &http.Client{
		Timeout:       5 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return plan.Step{Name: host + ":" + app.Name, Summary: summary, Op: &servicesOp{app, host, d, client}}
}

func serviceSteps(site provision.Site, d provision.Deps) []plan.Step {
	var steps []plan.Step
	for _, a := range site.Applications {
		for _, h := range a.Hosts {
			if len(a.Services) > 0 || a.Health != "" {
				steps = append(steps, newServices(a, h, d))
			}
		}
	}
	return steps
}

func (op *servicesOp) filesMarker() string { return path.Join(filesFolder, op.app.Name) }

func (op *servicesOp) startedMarker() string { return path.Join(startedFolder, op.app.Name) }

// unitsScript prints whether each unit %[1]s is enabled and active, then "fresh" if the
// services started with the files that are in place: the markers %[2]s and %[3]s agree,
// or no files were copied.
const unitsScript = `for u in %[1]s; do
  e=$(systemctl is-enabled -- "$u" 2>/dev/null) || true
  a=$(systemctl is-active -- "$u" 2>/dev/null) || true
  echo "unit $u ${e:-not-found} ${a:-unknown}"
done
if [ ! -e %[2]s ] || cmp -s %[2]s %[3]s; then echo fresh; fi
`

// unitState is what systemd says about the application's units.
type unitState struct {
	Enabled []string `json:"enabled"`
	Active  []string `json:"active"`
	fresh   bool     // the services started after the files were last written
	lines   []string // a description of each unit
}

func (op *servicesOp) units(ctx context.Context) (unitState, error) {
	var out bytes.Buffer
	script := fmt.Sprintf(unitsScript, remote.QuoteAll(op.app.Services), remote.Quote(op.filesMarker()), remote.Quote(op.startedMarker()))
	if err := op.deps.Hosts.Target(op.host).Run(ctx, script, nil, &out); err != nil {
		return unitState{}, fmt.Errorf("read units of %s: %w", op.host, err)
	}
	u := unitState{Enabled: []string{}, Active: []string{}}
	for line := range strings.Lines(out.String()) {
		f := strings.Fields(line)
		switch {
		case len(f) == 1 && f[0] == "fresh":
			u.fresh = true
		case len(f) == 4:
			if enabled(f[2]) {
				u.Enabled = append(u.Enabled, f[1])
			}
			if f[3] == "active" {
				u.Active = append(u.Active, f[1])
			}
			u.lines = append(u.lines, fmt.Sprintf("%s %s, %s", f[1], f[2], f[3]))
		}
	}
	return u, nil
}

// enabled reports whether a unit starts at boot, or cannot be enabled because
// something else starts it. See systemctl(1), is-enabled.
func enabled(word string) bool {
	switch word {
	case "enabled", "static", "alias", "indirect", "generated", "linked", "transient":
		return true
	}
	return false
}

// running reports whether all units are enabled and active, with the files in place.
func (op *servicesOp) running(u unitState) bool {
	return u.fresh && len(u.Enabled) == len(op.app.Services) && len(u.Active) == len(op.app.Services)
}

func (op *servicesOp) Check(ctx context.Context) (plan.State, error) {
	want := "enabled, active"
	if op.app.Health != "" {
		want += ", healthy"
	}
	if _, err := op.deps.Directory.Lookup(op.host); errors.Is(err, provision.ErrNotProvisioned) {
		return plan.State{Unknown: true, Now: "stage " + provision.StageDroplets + " makes the droplet", Want: want}, nil
	}
	u, err := op.units(ctx)
	if err != nil {
		return plan.State{}, err
	}
	s := plan.State{Done: op.running(u), Now: strings.Join(u.lines, "; "), Want: want}
	if !u.fresh {
		s.Now = strings.TrimPrefix(s.Now+"; not started with these files", "; ")
	}
	if err := op.healthy(ctx); err != nil {
		s.Done = false
		s.Now += "; not healthy: " + err.Error()
	}
	s.Now = strings.TrimPrefix(s.Now, "; ")
	if s.Now == "" {
		s.Now = "healthy"
	}
	s.Before, err = json.Marshal(u)
	return s, err
}

// Apply enables and starts the units in order. It restarts them if they run with other
// files than those in place, or if the application is not healthy.
func (op *servicesOp) Apply(ctx context.Context) error {
	u, err := op.units(ctx)
	if err != nil {
		return err
	}
	verb := "restart"
	if op.running(u) && op.healthy(ctx) == nil {
		verb = "start"
	}
	var b strings.Builder
	b.WriteString("set -eu\nsystemctl daemon-reload\n")
	for _, unit := range op.app.Services {
		if !slices.Contains(u.Enabled, unit) {
			fmt.Fprintf(&b, "systemctl enable -- %s\n", remote.Quote(unit))
		}
		fmt.Fprintf(&b, "systemctl reset-failed -- %[2]s 2>/dev/null || true\nsystemctl %[1]s -- %[2]s\n", verb, remote.Quote(unit))
	}
	// The files' marker is copied last: after a crash before it, the units restart again.
	fmt.Fprintf(&b, "if [ -e %[1]s ]; then mkdir -p %[3]s; cp %[1]s %[2]s.new; mv %[2]s.new %[2]s; fi\n", remote.Quote(op.filesMarker()), remote.Quote(op.startedMarker()), remote.Quote(startedFolder))
	if err := op.deps.Hosts.Target(op.host).Run(ctx, b.String(), nil, nil); err != nil {
		return report.WithHint(fmt.Errorf("start %s on %s: %w", op.app.Name, op.host, err), "on the droplet: %s", op.journalctl())
	}
	return nil
}

func (op *servicesOp) journalctl() string {
	return "journalctl -b -n 50 -u " + strings.Join(op.app.Services, " -u ")
}

// Verify waits until the units are active and the application is healthy.
func (op *servicesOp) Verify(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, healthBudget)
	defer cancel()
	var last error
	err := provision.Poll(wait, min(op.deps.PollInterval(), time.Second), func(ctx context.Context) (bool, error) {
		u, err := op.units(ctx)
		if err != nil {
			return false, err
		}
		if last = op.healthy(ctx); last == nil && !op.running(u) {
			last = errors.New(strings.Join(u.lines, "; "))
		}
		return last == nil, nil
	})
	if err != nil {
		return report.WithHint(fmt.Errorf("%s on %s: %w", op.app.Name, op.host, cmp.Or(last, err)), "on the droplet: %s", op.journalctl())
	}
	return nil
}

// healthy asks the application on the new host's public address, from the operator's
// host. It returns nil if the application has no health URL.
func (op *servicesOp) healthy(ctx context.Context) error {
	if op.app.Health == "" {
		return nil
	}
	m, err := op.deps.Directory.Lookup(op.host)
	if err != nil {
		return err
	}
	address := m.Public.String()
	if m.Public.Is6() {
		address = "[" + address + "]"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.ReplaceAll(op.app.Health, "{address}", address), nil)
	if err != nil {
		return fmt.Errorf("health URL: %w", err)
	}
	resp, err := op.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // the server sees its answer read
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s answers %d", req.URL, resp.StatusCode)
	}
	return nil
}

// Undo stops the units that were not active before and disables those that were not
// enabled, in reverse order.
func (op *servicesOp) Undo(ctx context.Context, before json.RawMessage) error {
	if _, err := op.deps.Directory.Lookup(op.host); errors.Is(err, provision.ErrNotProvisioned) {
		return nil
	}
	was, err := provision.ReadBefore[unitState](before)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("set -eu\n")
	for _, unit := range slices.Backward(op.app.Services) {
		q := remote.Quote(unit)
		fmt.Fprintf(&b, "if systemctl cat -- %s >/dev/null 2>&1; then\n  :\n", q)
		if !slices.Contains(was.Active, unit) {
			fmt.Fprintf(&b, "  systemctl stop -- %s\n", q)
		}
		if !slices.Contains(was.Enabled, unit) {
			fmt.Fprintf(&b, "  systemctl disable -- %s\n", q)
		}
		b.WriteString("fi\n")
	}
	fmt.Fprintf(&b, "rm -f -- %s\n", remote.Quote(op.startedMarker()))
	if err := op.deps.Hosts.Target(op.host).Run(ctx, b.String(), nil, nil); err != nil {
		return fmt.Errorf("stop %s on %s: %w", op.app.Name, op.host, err)
	}
	return nil
}

package move

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/report"
)

// addresses implements dns.Addresses on the directory of the new hosts.
type addresses struct{ *Move }

func (a addresses) New(old netip.Addr) (netip.Addr, error) {
	addr, err := a.newAddress(old)
	if errors.Is(err, provision.ErrNotProvisioned) {
		return addr, fmt.Errorf("%w: %w", dns.ErrNotProvisioned, err)
	}
	return addr, err
}

// records derives what flips, from the zones as they are now.
func (m *Move) records(ctx context.Context) (dns.Derivation, error) {
	snapshot, err := dns.Snapshot(ctx, m.zones, m.zones, m.Config.DNS.Zones)
	if err != nil {
		return dns.Derivation{}, m.located(err)
	}
	sel := dns.Selection{Addresses: addresses{m}, Exclude: m.Config.DNS.Exclude}
	for _, h := range m.Config.Hosts {
		sel.Old = append(sel.Old, h.Address.Addr)
	}
	for _, w := range m.Config.Cutover.Waves {
		sel.Waves = append(sel.Waves, dns.Wave{Name: w.Name, Records: w.Records})
	}
	d, err := dns.Derive(snapshot, sel)
	return d, m.located(err)
}

// located turns a setting that does not fit the zones into an error of the
// configuration, which names file and line.
func (m *Move) located(err error) error {
	var wrong *dns.SettingError
	if errors.As(err, &wrong) {
		return m.Config.Wrong(wrong.Setting, wrong.Error(), report.Hint(err))
	}
	return err
}

func (m *Move) propagation() dns.Propagation {
	return dns.Propagation{Server: m.Config.DNS.Resolver}
}

// unprobed names the records that no application's health URL is asked for: of a
// host without one, wildcards, which have no name to ask, and IPv6 addresses,
// which the operator's network may not reach.
func (m *Move) unprobed(entries []dns.Entry) []plan.Hazard {
	var names []string
	for _, e := range entries {
		if len(m.probes([]dns.Entry{e})) == 0 {
			names = append(names, e.Record.String())
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []plan.Hazard{{ID: "I4", Text: "nothing asks whether the target answers for " + strings.Join(names, ", ") + ": no health URL of an application covers them (wildcards and IPv6 are not asked); try them by hand"}}
}

// strays are records that hold a target address already and that no flip of the
// cutover has a before-image of: somebody pointed them there by hand.
func (m *Move) strays(d dns.Derivation, h *plan.History) []string {
	flipped := map[string]bool{}
	for _, r := range h.Ours(verb.Cutover) {
		if _, _, ok := verb.FlipOf(r.Key); !ok {
			continue
		}
		images, err := dns.ImagesOf(r.Before)
		if err != nil {
			continue // the flip back says it
		}
		for _, i := range images {
			flipped[i.ID] = true
		}
	}
	var out []string
	for _, e := range entriesOf(d) {
		if e.Record.Content != e.Old.String() && !flipped[e.Record.ID] {
			out = append(out, e.Record.Name+" "+e.Record.Type)
		}
	}
	return out
}

// healthy is the gate of I4: the target answers as its clients will ask it.
func (m *Move) healthy(d dns.Derivation) []plan.Step {
	return m.healthyAt(entriesOf(d), "target-healthy", addresses{m})
}

func (m *Move) healthyAt(entries []dns.Entry, name string, at dns.Addresses) []plan.Step {
	probes := m.probes(entries)
	if len(probes) == 0 {
		return nil
	}
	side := strings.TrimSuffix(name, "-healthy")
	return []plan.Step{dns.Healthy(dns.HealthySpec{Name: name, Side: side, Probes: probes, Addresses: at})}
}

// probes asks each flipped name of an application's hosts for its health.
func (m *Move) probes(entries []dns.Entry) []dns.Probe {
	var probes []dns.Probe
	for _, a := range m.Config.Applications {
		for _, host := range a.Hosts {
			if a.Health != "" {
				probes = append(probes, probesOf(entries, a.Health, addrOf(m, host))...)
			}
		}
	}
	return probes
}

func entriesOf(d dns.Derivation) []dns.Entry {
	var entries []dns.Entry
	for _, z := range d.Zones {
		entries = append(entries, z.Entries()...)
	}
	return entries
}

// probesOf asks each flipped name of a host the application's health path.
func probesOf(entries []dns.Entry, health string, host netip.Addr) []dns.Probe {
	var of []dns.Entry
	for _, e := range entries {
		if e.Old == host && e.Record.Type == "A" {
			of = append(of, e)
		}
	}
	return dns.ProbesOf(of, health)
}

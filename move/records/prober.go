package records

import (
	"net/netip"
	"strings"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// prober asks a side for the health of applications, as its clients will ask (I4).
type prober struct{ site *wiring.Site }

// Healthy is the gate that the side that is entered answers for the records of d: the
// target at its new addresses, the source at the old ones.
func (p prober) Healthy(d dns.Derivation, enter replication.Side) []plan.Step {
	spec := p.spec(entriesOf(d), enter)
	spec.Name = string(enter) + "-healthy"
	return gate(spec)
}

func (p prober) spec(entries []dns.Entry, side replication.Side) dns.HealthySpec {
	spec := dns.HealthySpec{Side: string(side), Probes: p.probes(entries), Addresses: newAddresses(p)}
	if side == replication.Source {
		spec.Addresses = sameAddresses(p.site)
	}
	return spec
}

// gate is the gate of spec, or no step if it has no probes.
func gate(spec dns.HealthySpec) []plan.Step {
	if len(spec.Probes) == 0 {
		return nil
	}
	return []plan.Step{dns.Healthy(spec)}
}

// unprobed names the records for which no health URL is asked: those of a host without
// an application, wildcards, which have no name to ask, and IPv6 addresses, which
// the operator's network may not reach.
func (p prober) unprobed(entries []dns.Entry) []plan.Hazard {
	var names []string
	for _, e := range entries {
		if len(p.probes([]dns.Entry{e})) == 0 {
			names = append(names, e.Record.String())
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []plan.Hazard{{ID: "I4", Text: "nothing asks whether the target answers for " + strings.Join(names, ", ") + ": no health URL of an application covers them (wildcards and IPv6 are not asked); try them by hand"}}
}

// probes are the health URLs of applications, for each flipped name of their hosts.
func (p prober) probes(entries []dns.Entry) []dns.Probe {
	var probes []dns.Probe
	for _, a := range p.site.Config.Applications {
		for _, host := range a.Hosts {
			if a.Health != "" {
				probes = append(probes, probesOf(entries, a.Health, p.site.OldAddress(host))...)
			}
		}
	}
	return probes
}

// probesOf are the URLs of one health path, for each flipped name of a host.
func probesOf(entries []dns.Entry, health string, host netip.Addr) []dns.Probe {
	var of []dns.Entry
	for _, e := range entries {
		if e.Old == host && e.Record.Type == "A" {
			of = append(of, e)
		}
	}
	return dns.ProbesOf(of, health)
}

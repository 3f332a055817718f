package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
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
		return m.Config.Wrong(wrong.Setting, wrong.Error(), plan.Hint(err))
	}
	return err
}

func (m *Move) propagation() dns.Propagation {
	return dns.Propagation{Server: m.Config.DNS.Resolver}
}

// ttlStage lowers the TTLs long before the flip.
func (m *Move) ttlStage(ctx context.Context) (plan.Stage, error) {
	stage := plan.Stage{Name: "ttl", Summary: "DNS-only records expire quickly by the time of the flip"}
	d, err := m.records(ctx)
	if err != nil {
		return stage, err
	}
	for _, z := range d.Zones {
		if len(z.Entries()) > 0 {
			stage.Steps = append(stage.Steps, dns.LowerTTL(dns.TTLSpec{
				Records: m.zones, Zone: z.Zone, Entries: z.Entries(), TTL: m.Config.DNS.TTL, Propagation: m.propagation(),
			}))
		}
	}
	return stage, nil
}

// lowerings implements dns.Lowerings on the journal.
type lowerings struct{ *Move }

func (l lowerings) Lowering(zone string) (dns.Lowering, bool, error) {
	h, err := l.History()
	if err != nil {
		return dns.Lowering{}, false, err
	}
	r := h.Step(Apply + "/ttl/" + dns.LowerTTLName(zone))
	low := dns.Lowering{Before: r.Before, At: r.InForceSince}
	return low, r.Phase != plan.Skipped, nil
}

// flips are the stages that point the records at the target, wave by wave.
func (m *Move) flips(d dns.Derivation) []plan.Stage {
	var stages []plan.Stage
	for _, wave := range d.Waves {
		stage := plan.Stage{Name: WaveStage(wave), Summary: "DNS leads to the target: wave " + wave}
		for _, z := range d.Zones {
			for _, w := range z.Waves {
				if w.Wave == wave {
					stage.Steps = append(stage.Steps, dns.FlipToTarget(dns.FlipSpec{
						Records: m.zones, Zone: z.Zone, Wave: wave, Entries: w.Entries,
						Addresses: addresses{m}, Propagation: m.propagation(), Hazards: z.Hazards(),
					}))
				}
			}
		}
		stages = append(stages, stage)
	}
	return stages
}

// flipsBack are the stages that restore the before-images which the cutover's
// flips journaled, last wave first.
func (m *Move) flipsBack(d dns.Derivation, h *plan.History, force bool) ([]plan.Stage, error) {
	var stages []plan.Stage
	for _, wave := range slices.Backward(d.Waves) {
		stage := plan.Stage{Name: WaveStage(wave), Summary: "DNS leads to the source again: wave " + wave}
		for _, z := range d.Zones {
			before, ok := m.flipped(h, z.Zone.Name, wave)
			if !ok {
				continue
			}
			step, err := dns.FlipToSource(dns.FlipSpec{
				Records: m.zones, Zone: z.Zone, Wave: wave, Propagation: m.propagation(), Force: force,
			}, before)
			if err != nil {
				return nil, err
			}
			stage.Steps = append(stage.Steps, step)
		}
		if len(stage.Steps) > 0 {
			stages = append(stages, stage)
		}
	}
	return stages, nil
}

// flipped is the before-image of a flip that the cutover started.
func (m *Move) flipped(h *plan.History, zone, wave string) (json.RawMessage, bool) {
	r := h.Step(strings.Join([]string{Cutover, WaveStage(wave), dns.FlipName(zone, wave)}, "/"))
	return r.Before, r.Ours
}

// purges is the stage that empties caches, if the configuration wants it.
func (m *Move) purges(d dns.Derivation) []plan.Stage {
	if !m.Config.DNS.Purge {
		return nil
	}
	stage := plan.Stage{Name: "purge", Summary: "caches forget what the other side answered"}
	for _, z := range d.Zones {
		if len(z.Entries()) == 0 {
			continue
		}
		if step, ok := dns.Purge(dns.PurgeSpec{Cache: m.zones, Flip: z}); ok {
			stage.Steps = append(stage.Steps, step)
		}
	}
	if len(stage.Steps) == 0 {
		return nil
	}
	return []plan.Stage{stage}
}

// healthy is the gate of I4: the target answers as its clients will ask it.
func (m *Move) healthy(d dns.Derivation) []plan.Step {
	return m.healthyAt(d, "target-healthy", addresses{m})
}

func (m *Move) healthyAt(d dns.Derivation, name string, at dns.Addresses) []plan.Step {
	var probes []dns.Probe
	for _, a := range m.Config.Applications {
		for _, host := range a.Hosts {
			for _, z := range d.Zones {
				if a.Health != "" {
					probes = append(probes, probesOf(z.Entries(), a.Health, addrOf(m, host))...)
				}
			}
		}
	}
	if len(probes) == 0 {
		return nil
	}
	return []plan.Step{dns.Healthy(dns.HealthySpec{Name: name, Probes: probes, Addresses: at})}
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

package move

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
)

// flipsAndPurges are the stages that point the records at the target, wave by
// wave: the target is healthy (I4), the records flip, the caches forget them.
func (m *Move) flipsAndPurges(d dns.Derivation) []plan.Stage {
	var stages []plan.Stage
	for i, wave := range d.Waves {
		flip := plan.Stage{Name: verb.FlipStage(wave), Wave: wave, Summary: "DNS leads to the target: wave " + wave}
		for _, z := range d.Zones {
			for _, w := range z.Waves {
				if w.Wave == wave {
					flip.Steps = append(flip.Steps, dns.FlipToTarget(dns.FlipSpec{
						Records: m.zones, Zone: z.Zone, Wave: wave, Entries: w.Entries,
						Addresses: addresses{m}, Propagation: m.propagation(), Hazards: append(z.Hazards(), m.unprobed(w.Entries)...),
					}))
				}
			}
		}
		stages = append(stages, m.waveHealthy(d, wave, replication.Target, i == 0)...)
		stages = append(stages, flip)
		stages = append(stages, m.wavePurge(d, wave)...)
	}
	return stages
}

// flipsBackAndPurges is the same for the way back, last flip first: it restores
// the before-images that the cutover's flips journaled. d is of journaled.
func (m *Move) flipsBackAndPurges(d dns.Derivation, h *plan.History, force bool) ([]plan.Stage, error) {
	flips, err := journaledFlips(h)
	if err != nil {
		return nil, err
	}
	zones := map[string]dns.Zone{}
	for _, z := range d.Zones {
		zones[z.Zone.Name] = z.Zone
	}
	var stages []plan.Stage
	for i, wave := range wavesOf(flips) {
		back := plan.Stage{Name: verb.FlipStage(wave), Wave: wave, Summary: "DNS leads to the source again: wave " + wave}
		for _, f := range flips {
			if f.Wave != wave {
				continue
			}
			zone, ok := zones[f.Zone]
			if !ok {
				return nil, fmt.Errorf("flip %s back: the zone was not read", f.Zone)
			}
			step, err := dns.FlipToSource(dns.FlipSpec{Records: m.zones, Zone: zone, Wave: wave, Propagation: m.propagation(), Force: force}, f.before)
			if err != nil {
				return nil, err
			}
			back.Steps = append(back.Steps, step)
		}
		stages = append(stages, m.waveHealthy(d, wave, replication.Source, i == 0)...)
		stages = append(stages, back)
		stages = append(stages, m.wavePurge(d, wave)...)
	}
	return stages, nil
}

// waveHealthy asks the side that a wave is about to lead to. The first wave's
// gate asks once: the switch's own gates have just asked several times, and
// between the hand-over and the flip the clients' writes fail. It is for the run
// that goes on after one that died in between.
func (m *Move) waveHealthy(d dns.Derivation, wave string, side replication.Side, first bool) []plan.Stage {
	spec := dns.HealthySpec{Side: string(side), Probes: m.probes(entriesOfWave(d, wave)), Addresses: addresses{m}}
	if side == replication.Source {
		spec.Addresses = m.staying()
	}
	if first {
		spec.InARow = 1
	}
	if len(spec.Probes) == 0 {
		return nil
	}
	return []plan.Stage{{Name: "healthy-" + wave, Wave: wave, Summary: "the " + string(side) + " is still healthy", Steps: []plan.Step{dns.Healthy(spec)}}}
}

// staying are addresses that are asked themselves: those of the old site.
func (m *Move) staying() dns.Addresses {
	same := dns.AddressMap{}
	for _, h := range m.Config.Hosts {
		same[h.Address.Addr] = h.Address.Addr
	}
	return same
}

// wavePurge empties the caches of what a wave has flipped, if the configuration
// wants it: also in zones where names only follow.
func (m *Move) wavePurge(d dns.Derivation, wave string) []plan.Stage {
	if !m.Config.DNS.Purge {
		return nil
	}
	stage := plan.Stage{Name: "purge-" + wave, Wave: wave, Summary: "caches forget what the other side answered: wave " + wave}
	for _, z := range d.Zones {
		if step, ok := dns.Purge(dns.PurgeSpec{Cache: m.zones, Flip: z, Wave: wave}); ok {
			stage.Steps = append(stage.Steps, step)
		}
	}
	if len(stage.Steps) == 0 {
		return nil
	}
	return []plan.Stage{stage}
}

// journaledFlip is a flip of the cutover with its before-image as it stands.
type journaledFlip struct {
	dns.Flipped
	before json.RawMessage
}

// journaledFlips are the flips that the cutover made, last first.
func journaledFlips(h *plan.History) ([]journaledFlip, error) {
	var out []journaledFlip
	for _, r := range slices.Backward(h.Ours(verb.Cutover)) {
		zone, wave, ok := verb.FlipOf(r.Key)
		if !ok {
			continue
		}
		images, err := dns.ImagesOf(r.Before)
		if err != nil {
			return nil, fmt.Errorf("flip of %s, wave %s: %w", zone, wave, err)
		}
		out = append(out, journaledFlip{dns.Flipped{Zone: zone, Wave: wave, Images: images}, r.Before})
	}
	return out, nil
}

// wavesOf are the waves of flips, each once.
func wavesOf(flips []journaledFlip) []string {
	var out []string
	for _, f := range flips {
		if !slices.Contains(out, f.Wave) {
			out = append(out, f.Wave)
		}
	}
	return out
}

// journaledEntries are the records that the cutover has flipped, as they were
// before: by the journal alone.
func (m *Move) journaledEntries(h *plan.History) ([]dns.Entry, error) {
	flips, err := journaledFlips(h)
	if err != nil {
		return nil, err
	}
	var out []dns.Entry
	for _, f := range flips {
		out = append(out, dns.EntriesOf(f.Images)...)
	}
	return out, nil
}

// journaled is what the way back means for the zones: what flips is by the
// journal, whatever somebody has made of zones and configuration since; the
// zones only say which names follow.
func (m *Move) journaled(ctx context.Context, h *plan.History) (dns.Derivation, error) {
	journaled, err := journaledFlips(h)
	if err != nil || len(journaled) == 0 {
		return dns.Derivation{}, err
	}
	var flips []dns.Flipped
	var names []string
	for _, f := range journaled {
		flips = append(flips, f.Flipped)
		if !slices.Contains(names, f.Zone) {
			names = append(names, f.Zone)
		}
	}
	all := slices.Clone(names)
	for _, z := range m.Config.DNS.Zones {
		if !slices.Contains(all, z) {
			all = append(all, z)
		}
	}
	snapshot, err := dns.Snapshot(ctx, m.zones, m.zones, all)
	if err != nil && len(all) > len(names) {
		report.Note(ctx, "names that follow in other zones are not purged: %v", err)
		snapshot, err = dns.Snapshot(ctx, m.zones, m.zones, names)
	}
	if err != nil {
		return dns.Derivation{}, err
	}
	return dns.DeriveFlipped(eachOnce(snapshot), flips), nil
}

// eachOnce leaves out zones that the configuration names in another spelling.
func eachOnce(zones []dns.ZoneRecords) []dns.ZoneRecords {
	seen := map[string]bool{}
	return slices.DeleteFunc(zones, func(z dns.ZoneRecords) bool {
		twice := seen[z.Zone.ID]
		seen[z.Zone.ID] = true
		return twice
	})
}

func entriesOfWave(d dns.Derivation, wave string) []dns.Entry {
	var out []dns.Entry
	for _, z := range d.Zones {
		for _, w := range z.Waves {
			if w.Wave == wave {
				out = append(out, w.Entries...)
			}
		}
	}
	return out
}

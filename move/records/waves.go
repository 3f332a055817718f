package records

import (
	"fmt"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// Flips are the stages that point the records of d at the target, wave by wave:
// the target is healthy (I4), the records flip, the caches forget them.
func (r *Records) Flips(d dns.Derivation) []plan.Stage {
	var stages []plan.Stage
	for i, wave := range d.Waves {
		flip := plan.Stage{Name: verb.FlipStage(wave), Wave: wave, Summary: "DNS leads to the target: wave " + wave}
		for _, z := range d.Zones {
			for _, w := range z.Waves {
				if w.Wave == wave {
					flip.Steps = append(flip.Steps, dns.FlipToTarget(dns.FlipSpec{
						Records: r.zones, Zone: z.Zone, Wave: wave, Entries: w.Entries,
						Addresses: newAddresses{r.site}, Propagation: r.propagation(), Hazards: append(z.Hazards(), r.unprobed(w.Entries)...),
					}))
				}
			}
		}
		stages = append(stages, r.around(d, replication.Target, flip, i == 0)...)
	}
	return stages
}

// FlipsBack are the stages of the way back, last flip first: they restore the
// before-images that the cutover's flips journaled. d is what Journaled returns.
// With force they overwrite records that somebody else has changed since.
func (r *Records) FlipsBack(d dns.Derivation, h *plan.History, force bool) ([]plan.Stage, error) {
	flips, err := flipsIn(h)
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
			step, err := dns.FlipToSource(dns.FlipSpec{Records: r.zones, Zone: zone, Wave: wave, Propagation: r.propagation(), Force: force}, f.before)
			if err != nil {
				return nil, err
			}
			back.Steps = append(back.Steps, step)
		}
		stages = append(stages, r.around(d, replication.Source, back, i == 0)...)
	}
	return stages, nil
}

// around returns the stages of a wave: the gate that the side it leads to is healthy,
// the flip, and the purge of what the other side answered. Gate or purge are left
// out where there is nothing to ask or to purge. The first wave's gate asks only
// once: the switch's own gates have just asked several times, and clients' writes
// fail between the hand-over and the flip. It is there for a run that continues
// after one that died in between.
func (r *Records) around(d dns.Derivation, side replication.Side, flip plan.Stage, first bool) []plan.Stage {
	wave := flip.Wave
	spec := r.spec(entriesOfWave(d, wave), side)
	if first {
		spec.InARow = 1
	}
	stages := []plan.Stage{
		{Name: "healthy-" + wave, Wave: wave, Summary: "the " + string(side) + " is still healthy", Steps: gate(spec)},
		flip,
		{Name: "purge-" + wave, Wave: wave, Summary: "caches forget what the other side answered: wave " + wave, Steps: r.purges(d, wave)},
	}
	if len(stages[2].Steps) == 0 {
		stages = stages[:2]
	}
	if len(stages[0].Steps) == 0 {
		stages = stages[1:]
	}
	return stages
}

// purges are the steps that purge what is cached of a wave, if the configuration says
// so: also in zones where names only follow.
func (r *Records) purges(d dns.Derivation, wave string) []plan.Step {
	if !r.site.Config.DNS.Purge {
		return nil
	}
	var steps []plan.Step
	for _, z := range d.Zones {
		if step, ok := dns.Purge(dns.PurgeSpec{Cache: r.zones, Flip: z, Wave: wave}); ok {
			steps = append(steps, step)
		}
	}
	return steps
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

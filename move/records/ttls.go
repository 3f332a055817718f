package records

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

// lowering is one LowerTTL step of a zone, by the journal.
type lowering struct {
	step   plan.Record
	images []dns.TTLImage
}

// loweringsOf are a zone's lowerings in their order. There is always a first, even if
// it was not run yet.
func loweringsOf(h *plan.History, zone string) ([]lowering, error) {
	var out []lowering
	for again := 1; ; again++ {
		step := h.Step(plan.Key{Kind: verb.Apply, Stage: verb.StageTTL, Step: dns.LowerTTLName(zone, again)})
		if again > 1 && (step.Phase == plan.Untouched || step.Phase == plan.Undone) {
			return out, nil
		}
		images, err := dns.ParseTTLImages(step.Before)
		if err != nil {
			return nil, fmt.Errorf("TTLs of %s: %w", zone, err)
		}
		out = append(out, lowering{step, images})
	}
}

// last is the index of the last lowering that had the record, or -1.
func last(all []lowering, id string) int {
	for i, l := range slices.Backward(all) {
		if slices.ContainsFunc(l.images, func(image dns.TTLImage) bool { return image.ID == id }) {
			return i
		}
	}
	return -1
}

// loweringFor is the index of the lowering that the record belongs to; len(all) stands
// for a new one.
func loweringFor(all []lowering, r dns.Record, ttl time.Duration) int {
	at := last(all, r.ID)
	begun := all[0].step.Phase != plan.Untouched && all[0].step.Phase != plan.Undone
	added, raised := at < 0 && begun, at >= 0 && all[at].step.Phase == plan.Verified
	if r.HasHighTTL(ttl) && (added || raised) {
		return len(all)
	}
	return max(at, 0)
}

// LowerTTLs is the stage that lowers the TTLs long before the flip. A record that
// was added, or whose TTL was raised, after a lowering was verified gets another
// one: only then does the journal know its old TTL, which the gate has to wait
// for and finish has to restore.
func (r *Records) LowerTTLs(ctx context.Context) (plan.Stage, error) {
	stage := plan.Stage{Name: verb.StageTTL, Summary: "DNS-only records expire quickly by the time of the flip"}
	h, err := r.site.State.History()
	if err != nil {
		return stage, err
	}
	d, err := r.Derive(ctx)
	if err != nil {
		return stage, err
	}
	for _, z := range d.Zones {
		if len(z.Entries()) == 0 {
			continue
		}
		all, err := loweringsOf(h, z.Zone.Name)
		if err != nil {
			return stage, err
		}
		groups := make([][]dns.Entry, len(all)+1)
		for _, e := range z.Entries() {
			at := loweringFor(all, e.Record, r.site.Config.DNS.TTL)
			groups[at] = append(groups[at], e)
		}
		if len(groups[len(all)]) == 0 {
			groups = groups[:len(all)]
		}
		for i, entries := range groups {
			stage.Steps = append(stage.Steps, dns.LowerTTL(dns.TTLSpec{
				Records: r.zones, Zone: z.Zone, Entries: entries, TTL: r.site.Config.DNS.TTL, Propagation: r.propagation(), Again: i + 1,
			}))
		}
	}
	return stage, nil
}

// lowerings are the lowerings in the journal; it implements dns.Lowerings.
type lowerings struct{ *state.Folder }

func (l lowerings) Lowerings(zone string) ([]dns.Lowering, error) {
	h, err := l.History()
	if err != nil {
		return nil, err
	}
	all, err := loweringsOf(h, zone)
	if err != nil {
		return nil, err
	}
	var out []dns.Lowering
	for _, one := range all {
		if one.step.Phase != plan.Skipped {
			out = append(out, dns.Lowering{Before: one.step.Before, At: one.step.InForceSince})
		}
	}
	return out, nil
}

// TTLGate is the gate that waits until the old TTLs have passed. It does not hold for
// records whose TTL was not lowered.
func (r *Records) TTLGate(d dns.Derivation) plan.Step {
	var zones []dns.Zone
	for _, z := range d.Zones {
		if len(z.Entries()) > 0 {
			zones = append(zones, z.Zone)
		}
	}
	entries := entriesOf(d)
	return dns.TTLElapsed(dns.TTLElapsedSpec{
		Zones: zones, Lowerings: lowerings{r.site.State}, Longest: dns.LongestTTL(entries),
		Records: r.zones, Entries: entries, TTL: r.site.Config.DNS.TTL,
	})
}

// RestoreTTLs is the stage that puts back what the lowerings changed, by the
// journal alone: the zones may look different by now. A record that several
// lowerings had is restored by the last.
func (r *Records) RestoreTTLs(ctx context.Context, h *plan.History) (plan.Stage, error) {
	stage := plan.Stage{Name: "ttl", Summary: "TTLs are what they were"}
	zones, err := r.zones.Zones(ctx, r.site.Config.DNS.Zones)
	if err != nil {
		return stage, r.located(err)
	}
	for _, zone := range zones {
		all, err := loweringsOf(h, zone.Name)
		if err != nil {
			return stage, err
		}
		for i, l := range all {
			if !l.step.Ours {
				continue
			}
			mine := slices.DeleteFunc(slices.Clone(l.images), func(image dns.TTLImage) bool { return last(all, image.ID) != i })
			before, err := json.Marshal(mine)
			if err != nil {
				return stage, fmt.Errorf("write before-image: %w", err)
			}
			step, err := dns.RestoreTTL(dns.TTLSpec{Records: r.zones, Zone: zone, Propagation: r.propagation(), Again: i + 1}, before)
			if err != nil {
				return stage, err
			}
			stage.Steps = append(stage.Steps, step)
		}
	}
	return stage, nil
}

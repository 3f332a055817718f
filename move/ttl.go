package move

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

// lowering is one LowerTTL step of a zone, as the journal has it.
type lowering struct {
	record plan.Record
	images []dns.TTLImage
}

// loweringsOf are a zone's lowerings, in their order; there is always a first.
func loweringsOf(h *plan.History, zone string) ([]lowering, error) {
	var out []lowering
	for again := 1; ; again++ {
		r := h.Step(plan.Key{Kind: verb.Apply, Stage: verb.StageTTL, Step: dns.LowerTTLName(zone, again)})
		if again > 1 && (r.Phase == plan.Untouched || r.Phase == plan.Undone) {
			return out, nil
		}
		images, err := dns.TTLImagesOf(r.Before)
		if err != nil {
			return nil, fmt.Errorf("TTLs of %s: %w", zone, err)
		}
		out = append(out, lowering{r, images})
	}
}

// last is which of a zone's lowerings had a record last; -1 is none.
func last(all []lowering, id string) int {
	for i, l := range slices.Backward(all) {
		if slices.ContainsFunc(l.images, func(image dns.TTLImage) bool { return image.ID == id }) {
			return i
		}
	}
	return -1
}

// loweringFor is which of a zone's lowerings is a record's; len(all) is a new one.
func loweringFor(all []lowering, r dns.Record, ttl time.Duration) int {
	at := last(all, r.ID)
	begun := all[0].record.Phase != plan.Untouched && all[0].record.Phase != plan.Undone
	added, raised := at < 0 && begun, at >= 0 && all[at].record.Phase == plan.Verified
	if r.High(ttl) && (added || raised) {
		return len(all)
	}
	return max(at, 0)
}

// ttlStage lowers the TTLs long before the flip. What was added, or raised, after
// a lowering was verified gets another: only so does the journal know its old
// TTL, which the gate has to wait for, and finish to restore.
func (m *Move) ttlStage(ctx context.Context) (plan.Stage, error) {
	stage := plan.Stage{Name: verb.StageTTL, Summary: "DNS-only records expire quickly by the time of the flip"}
	h, err := m.History()
	if err != nil {
		return stage, err
	}
	d, err := m.records(ctx)
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
			at := loweringFor(all, e.Record, m.Config.DNS.TTL)
			groups[at] = append(groups[at], e)
		}
		if len(groups[len(all)]) == 0 {
			groups = groups[:len(all)]
		}
		for i, entries := range groups {
			stage.Steps = append(stage.Steps, dns.LowerTTL(dns.TTLSpec{
				Records: m.zones, Zone: z.Zone, Entries: entries, TTL: m.Config.DNS.TTL, Propagation: m.propagation(), Again: i + 1,
			}))
		}
	}
	return stage, nil
}

// lowerings implements dns.Lowerings on the journal.
type lowerings struct{ *Move }

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
		if one.record.Phase != plan.Skipped {
			out = append(out, dns.Lowering{Before: one.record.Before, At: one.record.InForceSince})
		}
	}
	return out, nil
}

// ttlGate is the gate that waits for what was lowered, and stops at what was not.
func (m *Move) ttlGate(d dns.Derivation) plan.Step {
	var zones []dns.Zone
	for _, z := range d.Zones {
		if len(z.Entries()) > 0 {
			zones = append(zones, z.Zone)
		}
	}
	entries := entriesOf(d)
	return dns.TTLElapsed(dns.TTLElapsedSpec{
		Zones: zones, Lowerings: lowerings{m}, Longest: dns.LongestTTL(entries),
		Records: m.zones, Entries: entries, TTL: m.Config.DNS.TTL,
	})
}

// restoreTTLs puts back what the lowerings changed, by the journal alone: zones
// may look different by now. A record of several is restored by the last.
func (m *Move) restoreTTLs(ctx context.Context, h *plan.History) (plan.Stage, error) {
	stage := plan.Stage{Name: "ttl", Summary: "TTLs are what they were"}
	zones, err := m.zones.Zones(ctx, m.Config.DNS.Zones)
	if err != nil {
		return stage, m.located(err)
	}
	for _, zone := range zones {
		all, err := loweringsOf(h, zone.Name)
		if err != nil {
			return stage, err
		}
		for i, l := range all {
			if !l.record.Ours {
				continue
			}
			mine := slices.DeleteFunc(slices.Clone(l.images), func(image dns.TTLImage) bool { return last(all, image.ID) != i })
			before, err := json.Marshal(mine)
			if err != nil {
				return stage, fmt.Errorf("write before-image: %w", err)
			}
			step, err := dns.RestoreTTL(dns.TTLSpec{Records: m.zones, Zone: zone, Propagation: m.propagation(), Again: i + 1}, before)
			if err != nil {
				return stage, err
			}
			stage.Steps = append(stage.Steps, step)
		}
	}
	return stage, nil
}

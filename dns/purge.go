package dns

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dcmigrate/migrate/plan"
)

// maxHostPurges is how many purge requests a zone's hosts may take before the
// whole zone is purged instead: the smallest plans allow five a minute.
const maxHostPurges = 5

// PurgeSpec is what purging one zone's cache needs.
type PurgeSpec struct {
	Cache Cache
	Flip  ZoneFlip // which hosts: its proxied records and what follows them
	Wave  string   // only this wave's records; "" is all
}

// purge cannot see what is cached: it counts as done only in the process that
// did it, and is done again after a restart, which costs no more than the first.
type purge struct {
	cache Cache
	zone  Zone
	hosts []string // nil: everything
	done  atomic.Bool
}

// Purge is the step that makes the vendor's caches forget what they hold of the
// flipped hosts. ok is false when the vendor caches none of them.
func Purge(spec PurgeSpec) (step plan.Step, ok bool) {
	hosts, everything := purgeHosts(spec.Flip, spec.Wave)
	if len(hosts) == 0 && !everything {
		return plan.Step{}, false
	}
	what := fmt.Sprintf("what is cached of %d hosts of %s: %s", len(hosts), spec.Flip.Zone.Name, shortList(hosts))
	if everything || len(hosts) > maxHostPurges*spec.Cache.PurgeLimit() {
		hosts, what = nil, "everything that is cached of "+spec.Flip.Zone.Name
	}
	return plan.Step{
		Name:       stepName("purge", spec.Flip.Zone.Name),
		Summary:    "purge " + what,
		CannotUndo: "cached copies are gone; the caches refill by themselves",
		Hazards:    []plan.Hazard{{Text: "the servers answer every request themselves until the caches have refilled"}},
		Op:         &purge{cache: spec.Cache, zone: spec.Flip.Zone, hosts: hosts},
	}, true
}

// purgeHosts are the hosts that the vendor may hold copies of. The hosts below a
// proxied wildcard cannot be listed.
func purgeHosts(flip ZoneFlip, wave string) (hosts []string, everything bool) {
	for _, w := range flip.Waves {
		if wave != "" && w.Wave != wave {
			continue
		}
		for _, e := range w.Entries {
			if e.Record.Proxied {
				hosts = append(hosts, e.Record.Name)
			}
		}
	}
	for _, f := range flip.Follow {
		if f.Host && (wave == "" || f.Wave == wave) {
			hosts = append(hosts, f.Name)
		}
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	everything = slices.ContainsFunc(hosts, func(h string) bool { return strings.HasPrefix(h, "*.") })
	return hosts, everything
}

// Check cannot ask what is cached.
func (p *purge) Check(context.Context) (plan.State, error) {
	what := "the zone's pages"
	if p.hosts != nil {
		what = shortList(p.hosts)
	}
	if p.done.Load() {
		return plan.State{Done: true, Now: "purged: " + what, Want: "purged: " + what}, nil
	}
	return plan.State{Now: "may be cached: " + what, Want: "purged: " + what}, nil
}

// Apply purges in as many requests as the vendor's limit of hosts asks for.
func (p *purge) Apply(ctx context.Context) error {
	chunks := [][]string{nil}
	if p.hosts != nil {
		chunks = slices.Collect(slices.Chunk(p.hosts, p.cache.PurgeLimit()))
	}
	for _, hosts := range chunks {
		if err := p.cache.Purge(ctx, p.zone, hosts); err != nil {
			return fmt.Errorf("purge %s: %w", p.zone.Name, err)
		}
	}
	p.done.Store(true)
	return nil
}

// Verify has nobody to ask: the vendor's acknowledgement, without which Apply
// fails, is all there is to know.
func (p *purge) Verify(context.Context) error { return nil }

// Undo does nothing: see CannotUndo.
func (p *purge) Undo(context.Context, json.RawMessage) error { return nil }

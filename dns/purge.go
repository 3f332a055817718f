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

// maxHostPurges is the limit of purge requests for a zone's hosts. If they need more,
// the whole zone is purged instead: the smallest plans allow five requests a minute.
const maxHostPurges = 5

// PurgeSpec describes the purge of one zone's cache.
type PurgeSpec struct {
	Cache Cache
	Flip  ZoneFlip // its proxied records and their followers are the hosts to purge
	Wave  string   // only this wave's records; "" means all
}

// purge is the operation of a Purge step. It cannot see what is cached, so it counts
// as done only in the process that did it. After a restart the purge is repeated,
// which costs no more than the first.
type purge struct {
	cache Cache
	zone  Zone
	hosts []string // nil means the whole zone
	done  atomic.Bool
}

// Purge returns the step that removes the flipped hosts' pages from the vendor's
// cache. ok is false if the vendor caches none of them.
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

// purgeHosts returns the hosts whose pages the vendor may have cached. everything is
// true if a proxied wildcard is among them: the hosts below it cannot be listed.
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
	for _, f := range flip.Followers {
		if f.Host && (wave == "" || f.Wave == wave) {
			hosts = append(hosts, f.Name)
		}
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	everything = slices.ContainsFunc(hosts, func(h string) bool { return strings.HasPrefix(h, "*.") })
	return hosts, everything
}

// Check reports the purge as done only after Apply: what is cached cannot be read.
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

// Apply purges in as few requests as the vendor's limit of hosts allows.
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

// Verify does nothing: the vendor's acknowledgement is the only evidence of a purge,
// and Apply fails without it.
func (p *purge) Verify(context.Context) error { return nil }

// Undo does nothing: see CannotUndo.
func (p *purge) Undo(context.Context, json.RawMessage) error { return nil }

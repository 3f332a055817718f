// Package plans builds the plans of the verbs out of the domains' steps, in the
// order of docs/protocols.md. It needs the wired site and the ways to cut over.
// Building a plan reads (the vendors' catalogues, the zones, the inventory, the
// journal) and changes nothing.
package plans

import (
	"context"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/records"
	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// Planner builds the plans of one move.
type Planner struct {
	site *wiring.Site
	ways way.Ways
	way  way.Way // the configuration's
}

// New returns the planner of a site. The configuration must name one of ways.
func New(site *wiring.Site, ways way.Ways) (*Planner, error) {
	name := site.Config.Cutover.Way
	chosen, ok := ways.Named(name)
	if !ok {
		return nil, site.Config.Wrong("cutover.way", fmt.Sprintf("there is no way %q", name), "ways are "+config.List(ways.Names(), "and"))
	}
	return &Planner{site, ways, chosen}, nil
}

// Options are what the operator chose for a plan.
type Options struct {
	Force bool // rollback: overwrite records that somebody else has changed
	// SourceLost makes finish do without the source's databases: the machines are
	// gone, and with them what only they could say. It is refused while one of
	// them answers.
	SourceLost bool
}

// Plan builds the plan of a kind.
func (p *Planner) Plan(ctx context.Context, kind string, o Options) (plan.Plan, error) {
	r, err := records.Open(p.site)
	if err != nil {
		return plan.Plan{}, err
	}
	out := p.of(kind)
	switch kind {
	case verb.Apply:
		out.Stages, err = p.apply(ctx, r)
	case verb.Cutover:
		out.Reverts, out.GatesHold = verb.Rollback, gatesHold
		out.Stages, err = p.cutover(ctx, r)
	case verb.Rollback:
		out.Reverts, out.Final, out.GatesHold = verb.Cutover, true, gatesHold
		out.Stages, err = p.rollback(ctx, r, o)
	case verb.Finish:
		out.Stages, err = p.finish(ctx, r, o)
	default:
		err = fmt.Errorf("there is no plan of kind %q", kind)
	}
	return out, err
}

// gatesHold is how long a switch that was killed goes on with what its gates have said.
const gatesHold = 10 * time.Minute

// Abandoned is the plan of a cutover that has not handed over: everything that it may
// have begun, to be taken back. It needs only the databases: no zone, no vendor.
func (p *Planner) Abandoned() plan.Plan {
	out := p.of(verb.Cutover)
	out.Reverts = verb.Rollback
	out.Stages = p.way.Switch(way.Switch{Parts: p.parts(), Enter: replication.Target, Gates: plan.Stage{Name: "gates"}})
	return out
}

func (p *Planner) of(kind string) plan.Plan {
	return plan.Plan{Site: p.site.Config.Site, Kind: kind, Config: p.site.Config.Digest}
}

// Way describes the way that the move cuts over by.
func (p *Planner) Way() way.Traits { return p.way.Traits() }

// HandedOver reports whether a cutover came as far as letting the target take the
// clients' writes. Before that, an undo is enough to take it back.
func (p *Planner) HandedOver(h *plan.History) bool { return p.ways.HandedOver(h) }

// parts are what the way makes its stages from.
func (p *Planner) parts() way.Parts {
	return way.Parts{Pairs: p.site.Pairs, Cutover: p.site.Config.Cutover, Conflicts: state.Conflicts{Folder: p.site.State}}
}

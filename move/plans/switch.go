package plans

import (
	"context"
	"slices"

	"github.com/dcmigrate/migrate/move/records"
	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/preflight"
	"github.com/dcmigrate/migrate/replication/status"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/report"
)

// cutover returns the stages of the switch to the target: gates, then the writers
// change sides and DNS follows, in the order of the way.
func (p *Planner) cutover(ctx context.Context, r *records.Records) ([]plan.Stage, error) {
	d, err := r.Derive(ctx)
	if err != nil {
		return nil, err
	}
	h, err := p.site.State.History()
	if err != nil {
		return nil, err
	}
	if d, err = records.AsBegun(ctx, d, h); err != nil {
		return nil, err
	}
	s := way.Switch{Parts: p.parts(), Enter: replication.Target, Flips: r.Flips(d)}
	// Gates that may take long come first, so that the others measure right before
	// the switch.
	early := plan.Stage{Name: "ready", Summary: "the data is verified, old TTLs have passed", Steps: append(p.verified(), r.TTLGate(d))}
	s.Gates = plan.Stage{
		Name: "gates", Summary: "the target is ready to take over",
		Steps: slices.Concat(linkGates(s), p.site.Pairs.Steps(preflight.StillFit), p.sameColumns(), r.Healthy(d, replication.Target)),
	}
	return append([]plan.Stage{early}, p.way.Switch(s)...), nil
}

// rollback returns the stages of the switch back to the source. It restores the
// before-images of the flips.
func (p *Planner) rollback(ctx context.Context, r *records.Records, o Options) ([]plan.Stage, error) {
	h, err := p.site.State.History()
	if err != nil {
		return nil, err
	}
	// The way back must not depend on zones that were edited since.
	d, err := r.Journaled(ctx, h)
	if err != nil {
		return nil, err
	}
	back, err := r.FlipsBack(d, h, o.Force)
	if err != nil {
		return nil, err
	}
	now, err := r.Derive(ctx)
	if err != nil {
		report.Note(ctx, "the zones are not searched for records that lead to the target by other hands: %v", err)
	}
	for _, name := range records.Strays(now, h) {
		report.Note(ctx, "%s leads to the target, but not by this cutover: the rollback leaves it", name)
	}
	s := way.Switch{Parts: p.parts(), Enter: replication.Source, Flips: back}
	// What refuses at once comes before what waits.
	early := plan.Stage{Name: "ready", Summary: "the way back is open", Steps: p.wayBack()}
	s.Gates = plan.Stage{
		Name: "gates", Summary: "the source is ready to take over again",
		Steps: append(lagGates(s), r.Healthy(d, replication.Source)...),
	}
	return append([]plan.Stage{early}, p.way.Switch(s)...), nil
}

// verified is the gate of a clean verify that is young enough for the configuration.
// If there is none, it verifies.
func (p *Planner) verified() []plan.Step {
	return p.site.Pairs.Steps(func(pr replication.Pair) plan.Step {
		return verify.Fresh(pr, replication.Source, state.Verifies{Folder: p.site.State}, p.site.Config.Cutover.VerifyAge)
	})
}

// sameColumns is the gate that both sides have the same columns, because replicated rows
// name columns by position. The way back has no such gate: it must not depend on
// something that only the side that is left can change.
func (p *Planner) sameColumns() []plan.Step {
	return p.site.Pairs.Steps(func(pr replication.Pair) plan.Step { return link.SameColumns(pr, replication.Source) })
}

// linkGates are the gates of little lag towards the side that is entered, and of a
// working link back.
func linkGates(s way.Switch) []plan.Step {
	return append(lagGates(s), s.Pairs.Steps(func(p replication.Pair) plan.Step { return link.RoundTrip(s.To(p), s.From(p)) })...)
}

func lagGates(s way.Switch) []plan.Step {
	return s.Pairs.Steps(func(p replication.Pair) plan.Step { return s.Lag(s.From(p), s.To(p)) })
}

// wayBack are the gates of a rollback. They do not ask the forward link: the source must
// be able to take over without it.
func (p *Planner) wayBack() []plan.Step {
	return p.site.Pairs.Steps(p.Needs().WayBack)
}

// Needs are what the way back needs, for status and rollback alike.
func (p *Planner) Needs() status.Needs {
	c := p.site.Config.Cutover
	return status.Needs{MaxLag: c.MaxLag, Heartbeat: true, OneWriter: p.way.Traits().OneWriter, Admins: c.Admins}
}

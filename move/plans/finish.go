package plans

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/dcmigrate/migrate/move/pairs"
	"github.com/dcmigrate/migrate/move/records"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/seed/physical"
)

// finish returns the stages that let go of the old site: the links end, and the
// settings that the target had before the move are restored.
func (p *Planner) finish(ctx context.Context, r *records.Records, o Options) ([]plan.Stage, error) {
	h, err := p.site.State.History()
	if err != nil {
		return nil, err
	}
	stages := p.lettingGo(h)
	if o.SourceLost {
		if stages, err = p.givingUp(ctx, h); err != nil {
			return nil, err
		}
	}
	settings := plan.Stage{Name: "settings", Summary: "what was set for the move is put back", Steps: p.site.Pairs.Steps(func(pr replication.Pair) plan.Step {
		step := link.Increment(pr.Target)
		return restored(step, "the increments of "+pr.Target.Name()+" are again what they were before the move", appliedBefore(h, verb.StageIncrements, pr, step))
	})}
	forget := plan.Stage{Name: "forget", Summary: "migrate's own tables go", Steps: p.site.Pairs.Steps(func(pr replication.Pair) plan.Step {
		return seed.Forget(pr.Target)
	})}
	forget.Steps = append(forget.Steps, p.site.Pairs.Steps(func(pr replication.Pair) plan.Step {
		return physical.Forget(pr, physical.Options{})
	})...)
	if !o.SourceLost {
		forget.Steps = append(forget.Steps, p.way.Finish(p.parts())...)
	}
	stages = append(stages, settings, forget)
	ttl, err := r.RestoreTTLs(ctx, h)
	if err != nil {
		return nil, err
	}
	if len(ttl.Steps) > 0 {
		stages = append(stages, ttl)
	}
	return stages, nil
}

// lettingGo returns the stages that end the links. Before that, the target must have
// everything that the source took.
func (p *Planner) lettingGo(h *plan.History) []plan.Stage {
	drained := plan.Stage{Name: "drained", Summary: "the source is fenced, and the target has all of it", Steps: p.site.Pairs.Steps(func(pr replication.Pair) plan.Step {
		return link.Drain(pr.Source, pr.Target, finishDrain)
	})}
	links := plan.Stage{Name: "links", Summary: "the sides let go of each other", Serial: true}
	links.Steps = append(links.Steps, p.site.Pairs.Steps(func(pr replication.Pair) plan.Step {
		return link.Stop(pr.Target, pr.Source, appliedBefore(h, verb.StageReverse, pr, link.Start(pr.Target, pr.Source)))
	})...)
	links.Steps = append(links.Steps, p.site.Pairs.Steps(func(pr replication.Pair) plan.Step {
		return link.Stop(pr.Source, pr.Target, forwardBefore(h, pr))
	})...)
	return []plan.Stage{drained, links}
}

func forwardBefore(h *plan.History, p replication.Pair) json.RawMessage {
	return appliedBefore(h, verb.StageForward, p, link.Start(p.Source, p.Target))
}

// finishDrain bounds the last wait for the source's transactions.
const finishDrain = time.Minute

// appliedBefore is the before-image that apply journaled for a pair's step, or nil if
// apply found the step done.
func appliedBefore(h *plan.History, stage string, p replication.Pair, step plan.Step) json.RawMessage {
	return h.Step(plan.Key{Kind: verb.Apply, Stage: stage, Step: pairs.Named(p, step).Name}).Before
}

// restoreOp restores, as a step of its own, the before-image of a step of apply.
type restoreOp struct {
	of     plan.Op
	before json.RawMessage
}

func restored(s plan.Step, summary string, before json.RawMessage) plan.Step {
	return plan.Step{
		Name: "restore-" + s.Name, Summary: summary,
		CannotUndo: "the move is over", Op: restoreOp{s.Op, before},
	}
}

func (r restoreOp) Check(ctx context.Context) (plan.State, error) {
	state, err := r.of.Check(ctx)
	if err != nil || len(r.before) == 0 {
		return plan.State{Done: err == nil, Now: "apply changed nothing here"}, err
	}
	back := bytes.Equal(state.Before, r.before)
	return plan.State{Done: back && !state.Done, Now: state.Now, Want: "as before the move"}, nil
}

func (r restoreOp) Apply(ctx context.Context) error { return r.of.Undo(ctx, r.before) }

func (r restoreOp) Verify(ctx context.Context) error {
	state, err := r.Check(ctx)
	if err == nil && !state.Done {
		err = errors.New("what was there before is not back: " + state.Now)
	}
	return err
}

func (restoreOp) Undo(context.Context, json.RawMessage) error { return nil }

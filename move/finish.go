package move

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/dcmigrate/migrate/move/pairs"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// finishStages lets go of the old site: the links end, what was set for the
// time of the move is put back on the side that stays.
func (m *Move) finishStages(ctx context.Context) ([]plan.Stage, error) {
	h, err := m.History()
	if err != nil {
		return nil, err
	}
	stages := m.lettingGo(h)
	if m.sourceLost {
		if stages, err = m.givingUp(ctx, h); err != nil {
			return nil, err
		}
	}
	settings := plan.Stage{Name: "settings", Summary: "what was set for the move is put back", Steps: m.pairs.Steps(func(p replication.Pair) plan.Step {
		step := replication.Increment(p.Target)
		return restored(step, "the increments of "+p.Target.Name()+" are again what they were before the move", m.appliedBefore(h, verb.StageIncrements, p, step))
	})}
	forget := plan.Stage{Name: "forget", Summary: "migrate's own tables go", Steps: m.pairs.Steps(func(p replication.Pair) plan.Step {
		return replication.Forget(p.Target)
	})}
	forget.Steps = append(forget.Steps, m.pairs.Steps(func(p replication.Pair) plan.Step {
		return replication.ForgetSeed(p, replication.PhysicalOptions{})
	})...)
	if !m.sourceLost {
		forget.Steps = append(forget.Steps, m.way.Finish(m.parts())...)
	}
	stages = append(stages, settings, forget)
	ttl, err := m.restoreTTLs(ctx, h)
	if err != nil {
		return nil, err
	}
	if len(ttl.Steps) > 0 {
		stages = append(stages, ttl)
	}
	return stages, nil
}

// lettingGo: what the old site still took must be here before the links end.
func (m *Move) lettingGo(h *plan.History) []plan.Stage {
	drained := plan.Stage{Name: "drained", Summary: "the source is fenced, and the target has all of it", Steps: m.pairs.Steps(func(p replication.Pair) plan.Step {
		return replication.Drain(p.Source, p.Target, finishDrain)
	})}
	links := plan.Stage{Name: "links", Summary: "the sides let go of each other", Serial: true}
	links.Steps = append(links.Steps, m.pairs.Steps(func(p replication.Pair) plan.Step {
		return replication.Unlink(p.Target, p.Source, m.appliedBefore(h, verb.StageReverse, p, replication.Link(p.Target, p.Source)))
	})...)
	links.Steps = append(links.Steps, m.pairs.Steps(func(p replication.Pair) plan.Step {
		return replication.Unlink(p.Source, p.Target, m.forwardBefore(h, p))
	})...)
	return []plan.Stage{drained, links}
}

func (m *Move) forwardBefore(h *plan.History, p replication.Pair) json.RawMessage {
	return m.appliedBefore(h, verb.StageForward, p, replication.Link(p.Source, p.Target))
}

// finishDrain bounds the last wait for the source's transactions.
const finishDrain = time.Minute

// appliedBefore is the before-image that apply journaled for a pair's step; nil
// when apply found it done.
func (m *Move) appliedBefore(h *plan.History, stage string, p replication.Pair, step plan.Step) json.RawMessage {
	return h.Step(plan.Key{Kind: verb.Apply, Stage: stage, Step: pairs.Named(p, step).Name}).Before
}

// restoreOp puts a before-image of an earlier plan's step back as a step of its own.
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

package plans

import (
	"context"

	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

// later is an Op that works on what an earlier stage of the same plan makes. Until
// then its Check returns Unknown instead of failing.
type later struct {
	plan.Op
	state *state.Folder
	stage string     // the earlier stage
	steps []plan.Key // its steps
}

// expecter is an Op that can say some of what it will do before that stage is done: it
// reads only what exists already. An error means that the step can never do what
// it was asked for; faults of what exists are left to the preflight.
type expecter interface {
	Expect(ctx context.Context) (plan.State, error)
}

// Check asks the Op once the stage is done, and before that what it expects.
func (l later) Check(ctx context.Context) (plan.State, error) {
	h, err := l.state.History()
	if err != nil {
		return plan.State{}, err
	}
	for _, key := range l.steps {
		switch h.Step(key).Phase {
		case plan.Verified, plan.Skipped:
		default:
			expected := plan.State{Unknown: true}
			if e, ok := l.Op.(expecter); ok {
				if expected, err = e.Expect(ctx); err != nil {
					return plan.State{}, err
				}
			}
			expected.Now = "known after stage " + l.stage
			return expected, nil
		}
	}
	return l.Op.Check(ctx)
}

// afterStage makes the Check of every step of stages wait until all steps of first are
// done.
func (p *Planner) afterStage(first plan.Stage, stages ...plan.Stage) []plan.Stage {
	var keys []plan.Key
	for _, s := range first.Steps {
		keys = append(keys, p.of(verb.Apply).Key(first, s))
	}
	for _, stage := range stages {
		for i := range stage.Steps {
			s := &stage.Steps[i]
			s.Op = later{s.Op, p.site.State, first.Name, keys}
		}
	}
	return stages
}

package plans

import (
	"context"

	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

// later is an Op that cannot see yet what it is about, because an earlier stage
// of the same plan makes it: its Check says so instead of failing.
type later struct {
	plan.Op
	state *state.Folder
	stage string     // that has to be done first
	steps []plan.Key // of that stage
}

// expecter is an Op that can tell some of what it will do while that stage is
// not done: it reads only what is there already. What is wrong with that is the
// preflight's to say: an error of Expect is a refusal of what the step was asked for.
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

// afterStage makes every step of the stages wait, in its Check, for all steps of
// the stage named first.
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

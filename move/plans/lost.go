package plans

import (
	"context"

	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/link"
)

// givingUp returns the first stages of a finish without the source. They leave out
// what would need it, and say what. It returns an error while a source answers.
func (p *Planner) givingUp(ctx context.Context, h *plan.History) ([]plan.Stage, error) {
	for _, pr := range p.site.Pairs {
		if _, err := (lostOp{pair: pr}).Check(ctx); err != nil {
			return nil, err
		}
	}
	lost := plan.Stage{Name: "source-lost", Summary: "the source is given up: nothing is asked of it any more", Steps: p.site.Pairs.Steps(func(pr replication.Pair) plan.Step {
		return plan.Step{
			Name:    "source-lost",
			Gate:    true,
			Summary: pr.Source.Name() + " does not answer, and is given up",
			Hazards: []plan.Hazard{
				{Text: "what it took and the target has not got is lost: the target is not asked whether it has all"},
				{Text: "its link, accounts, settings and fence stay on it: should the machine come back, keep it off the network"},
			},
			Op: lostOp{pair: pr},
		}
	})}
	links := plan.Stage{Name: "links", Summary: "the target lets go of the source", Steps: p.site.Pairs.Steps(func(pr replication.Pair) plan.Step {
		return link.StopLost(pr, forwardBefore(h, pr))
	})}
	return []plan.Stage{lost, links}, nil
}

// lostOp is the gate of a finish without a source.
type lostOp struct {
	plan.ReadOnly
	pair replication.Pair
}

// Check refuses while the source answers.
func (l lostOp) Check(ctx context.Context) (plan.State, error) {
	how, err := link.SourceAnswers(ctx, l.pair)
	if err != nil {
		return plan.State{}, err
	}
	if how != "" {
		return plan.State{}, verb.Refuse("migrate finish, without --source-lost", "the source is not lost: %s", how)
	}
	return plan.State{Done: true, Now: "it does not answer", Want: "it does not answer"}, nil
}

// Apply asks once more.
func (l lostOp) Apply(ctx context.Context) error {
	_, err := l.Check(ctx)
	return err
}

// Verify asks once more.
func (l lostOp) Verify(ctx context.Context) error { return l.Apply(ctx) }

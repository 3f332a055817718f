package move

import (
	"context"
	"time"

	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

// Next reviews the plans that are next from where the move stands, saves them,
// and returns them. Before apply is done the cutover is shown too, as far as it
// is known; it is reviewed again when it is next.
func (m *Move) Next(ctx context.Context, out string) ([]plan.Review, error) {
	h, err := m.History()
	if err != nil {
		return nil, err
	}
	var reviews []plan.Review
	at := verb.PositionOf(h)
	kinds := map[verb.Position][]string{
		verb.NotStarted:    {verb.Apply},
		verb.Applying:      {verb.Apply},
		verb.Applied:       {verb.Apply, verb.Cutover},
		verb.SwitchingOver: {verb.Cutover},
		verb.OnTarget:      {verb.Rollback, verb.Finish},
		verb.SwitchingBack: {verb.Rollback},
		verb.Finishing:     {verb.Finish},
		verb.Finished:      {verb.Finish},
	}[at]
	for i, kind := range kinds {
		path := ""
		if i == len(kinds)-1 {
			path = out
		}
		r, err := m.Review(ctx, kind, RunOptions{}, path)
		if err != nil {
			return reviews, err
		}
		reviews = append(reviews, r)
	}
	if at == verb.NotStarted || at == verb.Applying {
		r, err := m.preview(ctx)
		if err != nil {
			return reviews, err
		}
		reviews = append(reviews, r)
	}
	return reviews, nil
}

// preview is the cutover's plan before apply is done: the steps, without what
// their Checks will see.
func (m *Move) preview(ctx context.Context) (plan.Review, error) {
	p, err := m.Plan(ctx, verb.Cutover, RunOptions{})
	if err != nil {
		return plan.Review{}, err
	}
	for i := range p.Stages {
		for k := range p.Stages[i].Steps {
			p.Stages[i].Steps[k].Op = unseen{p.Stages[i].Steps[k].Op}
		}
	}
	return plan.Survey(ctx, p, time.Now())
}

// unseen is an Op of a plan that is not next.
type unseen struct{ plan.Op }

func (unseen) Check(context.Context) (plan.State, error) {
	return plan.State{Unknown: true, Now: "known after apply"}, nil
}

// WouldTakeBack lists what a rollback would undo, in its order: all of apply
// with `--all`, else a cutover that has not handed over. ok is false when the
// rollback is a switch, which has a plan of its own.
func (m *Move) WouldTakeBack(ctx context.Context, all bool) (steps []plan.Step, ok bool, err error) {
	h, err := m.History()
	if err != nil {
		return nil, false, err
	}
	if all {
		p, err := m.Plan(ctx, verb.Apply, RunOptions{})
		return plan.Undoable(h, p), true, err
	}
	if verb.PositionOf(h) != verb.SwitchingOver || m.ways.HandedOver(h) {
		return nil, false, nil
	}
	return plan.Undoable(h, m.abandonPlan()), true, nil
}

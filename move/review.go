package move

import (
	"context"
	"time"

	"github.com/dcmigrate/migrate/move/plans"
	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

// Reviewer reviews plans: it shows what their steps find and would do.
type Reviewer struct {
	state *state.Folder
	plans *plans.Planner
}

// Review runs the Checks of the plan of a kind, without side effects (I6). It saves
// the result where a run looks for the reviewed plan, and at path unless that is "".
func (v *Reviewer) Review(ctx context.Context, kind string, o RunOptions, path string) (plan.Review, error) {
	h, err := v.state.History()
	if err != nil {
		return plan.Review{}, err
	}
	if err := verb.Allowed(kind, verb.PositionOf(h)); err != nil {
		return plan.Review{}, err
	}
	p, err := v.plans.Plan(ctx, kind, o.Options)
	if err != nil {
		return plan.Review{}, err
	}
	if _, err := stopAfter(p, o); err != nil {
		return plan.Review{}, err
	}
	r, err := plan.Survey(ctx, p, time.Now())
	if err != nil {
		return r, err
	}
	for _, path := range []string{path, v.state.ReviewPath(kind)} {
		if path == "" {
			continue
		}
		if err := r.Save(path); err != nil {
			return r, err
		}
	}
	return r, nil
}

// Next reviews and saves the plans that may run next from where the move stands, the
// last one also at out. Until apply is done, the cutover is included as far as it
// is known; it must be reviewed again later.
func (v *Reviewer) Next(ctx context.Context, out string) ([]plan.Review, error) {
	h, err := v.state.History()
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
		r, err := v.Review(ctx, kind, RunOptions{}, path)
		if err != nil {
			return reviews, err
		}
		reviews = append(reviews, r)
	}
	if at == verb.NotStarted || at == verb.Applying {
		r, err := v.preview(ctx)
		if err != nil {
			return reviews, err
		}
		reviews = append(reviews, r)
	}
	return reviews, nil
}

// preview is the review of the cutover before apply is done: its steps, without what
// their Checks will see.
func (v *Reviewer) preview(ctx context.Context) (plan.Review, error) {
	p, err := v.plans.Plan(ctx, verb.Cutover, plans.Options{})
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

// unseen is an Op whose Check cannot see anything before apply is done.
type unseen struct{ plan.Op }

func (unseen) Check(context.Context) (plan.State, error) {
	return plan.State{Unknown: true, Now: "known after apply"}, nil
}

// WouldTakeBack lists what a rollback would undo, in its order: with all, what apply
// made; otherwise a cutover that has not handed over. ok is false when the rollback
// is a switch, which is reviewed like every plan.
func (v *Reviewer) WouldTakeBack(ctx context.Context, all bool) (steps []plan.Step, ok bool, err error) {
	h, err := v.state.History()
	if err != nil {
		return nil, false, err
	}
	if all {
		p, err := v.plans.Plan(ctx, verb.Apply, plans.Options{})
		if err == nil {
			err = v.plans.RequireUnused(ctx, h)
		}
		return plan.Undoable(h, p), true, err
	}
	if verb.PositionOf(h) != verb.SwitchingOver || v.plans.HandedOver(h) {
		return nil, false, nil
	}
	return plan.Undoable(h, v.plans.Abandoned()), true, nil
}

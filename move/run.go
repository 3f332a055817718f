package move

import (
	"context"
	"errors"
	"os"

	"github.com/dcmigrate/migrate/move/plans"
	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// Runner runs plans and takes them back, under the lock and with the journal.
type Runner struct {
	state *state.Folder
	plans *plans.Planner
	lead  leadership
}

// Run runs the reviewed plan of a kind. It refuses a kind that does not fit where the
// move stands (*verb.RefusedError) and a plan that is no longer the reviewed one
// (*plan.StaleError).
func (r *Runner) Run(ctx context.Context, kind string, o RunOptions) error {
	return r.locked(ctx, kind, o, func(run *plan.Runner) error {
		err := r.runLocked(ctx, run, kind, o)
		if err == nil && kind == verb.Finish {
			return r.lead.giveBack(ctx)
		}
		return err
	})
}

func (r *Runner) runLocked(ctx context.Context, run *plan.Runner, kind string, o RunOptions) error {
	at := verb.PositionOf(run.Journal.History())
	if err := verb.Allowed(kind, at); err != nil {
		return err
	}
	if kind == verb.Cutover && at == verb.OnTarget || kind == verb.Finish && at == verb.Finished {
		report.Note(ctx, "%s is done already: %s", kind, at)
		return nil
	}
	reviewed, err := r.reviewed(kind)
	if err != nil {
		return err
	}
	p, err := r.plans.Plan(ctx, kind, o.Options)
	if err != nil {
		return err
	}
	to, err := stopAfter(p, o)
	if err != nil {
		return err
	}
	if o.Ready != nil {
		o.Ready(p)
	}
	err = run.Run(ctx, p, plan.RunOptions{Reviewed: reviewed, To: to})
	var stale *plan.StaleError
	if errors.As(err, &stale) && report.Hint(err) == "" {
		return report.WithHint(err, "review it anew: %s", reviewVerb[kind])
	}
	return err
}

// TakeBack is `migrate rollback --all`: it undoes everything that apply made, in
// reverse order. It refuses a target that is used, whatever the journal says.
func (r *Runner) TakeBack(ctx context.Context, o RunOptions) error {
	return r.written(verb.Rollback, o, func(run *plan.Runner) error {
		switch at := verb.PositionOf(run.Journal.History()); at {
		case verb.Applying, verb.Applied:
		case verb.NotStarted:
			if run.Journal.History().LastRun(verb.Apply) != nil {
				report.Note(ctx, "everything was taken back already")
				return r.lead.giveBack(ctx)
			}
			return verb.Refuse("nothing to do", "nothing was applied")
		default:
			return verb.Allowed(verb.Apply, at)
		}
		p, err := r.plans.Plan(ctx, verb.Apply, o.Options)
		if err != nil {
			return err
		}
		if err := r.plans.RequireUnused(ctx, run.Journal.History()); err != nil {
			return err
		}
		// The world is asked first: it says what an old copy of the journal would destroy.
		if err := r.lead.begin(ctx, run, verb.Rollback, o.TakeOver); err != nil {
			return err
		}
		if o.Ready != nil {
			o.Ready(p)
		}
		if err := run.Undo(ctx, p); err != nil {
			return err
		}
		return r.lead.giveBack(ctx)
	})
}

// GoBack is `migrate rollback`. Once the target has taken over it is a switch in the
// other direction, before that an undo of the cutover.
func (r *Runner) GoBack(ctx context.Context, o RunOptions) error {
	return r.locked(ctx, verb.Rollback, o, func(run *plan.Runner) error {
		h := run.Journal.History()
		at := verb.PositionOf(h)
		if at == verb.SwitchingOver && !r.plans.HandedOver(h) {
			// The source is still the writer: undoing the cutover is enough.
			p := r.plans.Abandoned()
			if o.Ready != nil {
				o.Ready(p)
			}
			return run.Undo(ctx, p)
		}
		if at == verb.Applied && h.InForce(verb.Rollback) {
			report.Note(ctx, "rolled back already: traffic is on the source")
			return nil
		}
		return r.runLocked(ctx, run, verb.Rollback, o)
	})
}

// reviewVerb is the command that shows and saves a kind's plan.
var reviewVerb = map[string]string{
	verb.Apply: "migrate plan", verb.Cutover: "migrate cutover --dry-run",
	verb.Rollback: "migrate rollback --dry-run", verb.Finish: "migrate finish --dry-run",
}

// reviewed loads the reviewed plan. A rollback needs none: the way back must not wait
// for paperwork (ADR 3).
func (r *Runner) reviewed(kind string) (*plan.Review, error) {
	if kind == verb.Rollback {
		return nil, nil
	}
	review, err := plan.LoadReview(r.state.ReviewPath(kind))
	if errors.Is(err, os.ErrNotExist) {
		return nil, verb.Refuse(reviewVerb[kind]+", read it, then migrate "+kind, "no reviewed plan for %s", kind)
	}
	if err != nil {
		return nil, verb.Refuse("make it anew: "+reviewVerb[kind], "%v", err)
	}
	return &review, nil
}

// locked runs f with the move's lock and its journal open, if this controller leads.
func (r *Runner) locked(ctx context.Context, kind string, o RunOptions, f func(*plan.Runner) error) error {
	return r.written(kind, o, func(run *plan.Runner) error {
		if err := r.lead.begin(ctx, run, kind, o.TakeOver); err != nil {
			return err
		}
		return f(run)
	})
}

// written runs f with the move's lock and its journal open.
func (r *Runner) written(kind string, o RunOptions, f func(*plan.Runner) error) error {
	return r.state.Write(kind, o.Watch, func(j *plan.Journal) error { return f(&plan.Runner{Journal: j, Stop: o.Stop}) })
}

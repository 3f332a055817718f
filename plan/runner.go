package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// ErrStopped is returned by a run that a signal (or RunOptions.To) ended
// between steps: run the same verb again to go on.
var ErrStopped = errors.New("stopped before the plan was finished")

// Runner runs plans with a journal. Its zero values are the defaults.
type Runner struct {
	Journal *Journal
	// Stop, once closed, stops the run between steps (the first signal). The
	// context of Run is the second: it stops at once.
	Stop <-chan struct{}
	// Grace is how long steps in progress may go on after Stop; default 30 s.
	Grace time.Duration
	// Attempts bounds how often a step is tried while its errors are
	// Transient; default 6. Backoff is the first wait, doubled each time;
	// default 500 ms.
	Attempts int
	Backoff  time.Duration
	// AtOnce bounds the steps of a stage that run side by side; default 8.
	AtOnce int
	// UndoBudget bounds each Undo; default 5 min. Undo has a context of its
	// own: it runs also when Run's is cancelled.
	UndoBudget time.Duration
}

// RunOptions narrow a run.
type RunOptions struct {
	// Reviewed is the plan that the operator saw; nil runs unreviewed (tests).
	Reviewed *Review
	// To ends the run after the stage of that name, with ErrStopped if stages are left.
	To string
}

// run is one run of one plan.
type run struct {
	*Runner
	plan Plan
	id   string
}

// Run executes p, resuming what an earlier run of the same plan has done. It
// returns nil when every step is verified; *StaleError, before anything was
// changed, when the reviewed plan does not hold any more; ErrStopped after a
// signal; else the step's error, journaled and, in a critical section, after
// the section was undone.
func (r *Runner) Run(ctx context.Context, p Plan, opt RunOptions) error {
	x := &run{r, p, ""}
	resumed, err := x.begin(ctx, opt.Reviewed)
	if err != nil {
		return err
	}
	start := r.Journal.Now()
	err = x.stages(ctx, opt.To)
	end := Event{Type: RunFinished, Reverts: p.Reverts, Millis: r.Journal.Now().Sub(start).Milliseconds()}
	switch {
	case errors.Is(err, ErrStopped):
		end.Type, end.Reverts, end.Text = RunStopped, "", err.Error()
	case err != nil:
		end.Type, end.Reverts, end.Text = RunFailed, "", err.Error()
	case resumed:
		end.Text = "resumed"
	}
	return errors.Join(err, x.event(end))
}

// begin compares p with the review and journals the start or resumption.
func (x *run) begin(ctx context.Context, reviewed *Review) (resumed bool, err error) {
	h := x.Journal.History()
	last := h.LastRun(x.plan.Kind)
	begun := last != nil && h.Begun(x.plan.Kind)
	same := begun && last.Digest == x.plan.Digest()
	resumed = same && last.Outcome != RunFinished
	if begun && !same && last.Outcome != RunFinished && x.plan.critical() {
		return false, WithHint(&StaleError{x.plan.Kind, "an unfinished run of another plan stands in the journal"},
			"put the configuration back and finish it, or take it back: migrate rollback")
	}
	if reviewed != nil {
		if err := reviewed.SamePlan(x.plan); err != nil {
			return false, err
		}
		if !same { // where we have begun this very plan, our own steps have changed the world
			if err := x.sameWorld(ctx, *reviewed); err != nil {
				return false, err
			}
		}
	}
	if resumed {
		x.id = last.ID
		return true, x.event(Event{Type: RunResumed, Digest: x.plan.Digest()})
	}
	n := 1
	for _, r := range h.Runs {
		if r.Kind == x.plan.Kind {
			n++
		}
	}
	x.id = fmt.Sprintf("%s-%d", x.plan.Kind, n)
	return false, x.event(Event{Type: RunStarted, Digest: x.plan.Digest()})
}

func (x *run) sameWorld(ctx context.Context, reviewed Review) error {
	now, err := Survey(ctx, x.plan, x.Journal.Now())
	if err != nil {
		return err
	}
	return reviewed.SameWorld(now)
}

func (x *run) stages(ctx context.Context, to string) error {
	for i, stage := range x.plan.Stages {
		if x.stopping() {
			return x.abort(ctx, i, ErrStopped)
		}
		if err := x.stage(ctx, i, stage); err != nil {
			return x.abort(ctx, i, err)
		}
		if stage.Name == to && i < len(x.plan.Stages)-1 {
			return fmt.Errorf("%w: stage %s is the last that was asked for", ErrStopped, to)
		}
	}
	return nil
}

// abort ends a run at stage i. In the critical section it first restores a
// writable side by undoing the section, in reverse order.
func (x *run) abort(ctx context.Context, i int, cause error) error {
	first := i
	for first > 0 && x.plan.Stages[first-1].Critical {
		first--
	}
	inside := x.plan.Stages[i].Critical && (first < i || !errors.Is(cause, ErrStopped) || x.begun(i))
	if !inside {
		return cause
	}
	undone := x.undo(ctx, x.plan.Stages[first:i+1])
	if undone != nil {
		return errors.Join(cause, fmt.Errorf("undo of the critical section: %w", undone))
	}
	return fmt.Errorf("%w (the critical section was undone)", cause)
}

// begun reports whether a step of stage i was started.
func (x *run) begun(i int) bool {
	h := x.Journal.History()
	for _, s := range x.plan.Stages[i].Steps {
		if h.Step(x.plan.ID(x.plan.Stages[i], s)).Ours {
			return true
		}
	}
	return false
}

func (x *run) stage(ctx context.Context, i int, stage Stage) error {
	ctx, cancel := x.graceful(ctx)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(x.atOnce(stage))
	errs := make([]error, len(stage.Steps))
	for n, s := range stage.Steps {
		g.Go(func() error {
			if stage.Serial && failed(errs[:n]) {
				return nil
			}
			if x.stopping() {
				errs[n] = ErrStopped
				return nil
			}
			errs[n] = x.step(ctx, i, stage, s)
			return nil
		})
	}
	_ = g.Wait() // its functions return nil: errs has them
	if x.stopping() && !failedHard(errs) {
		return onlyStopped(errs)
	}
	return joinSteps(errs)
}

func (x *run) atOnce(stage Stage) int {
	switch {
	case stage.Serial:
		return 1
	case x.AtOnce > 0:
		return x.AtOnce
	}
	return checksAtOnce
}

func failed(errs []error) bool { return errors.Join(errs...) != nil }

func failedHard(errs []error) bool {
	for _, err := range errs {
		if err != nil && !errors.Is(err, ErrStopped) && !errors.Is(err, context.Canceled) {
			return true
		}
	}
	return false
}

func onlyStopped(errs []error) error {
	if failed(errs) {
		return ErrStopped
	}
	return nil
}

// joinSteps keeps one error as it is, so that its hint and type stay reachable.
func joinSteps(errs []error) error {
	var out []error
	for _, err := range errs {
		if err != nil && !errors.Is(err, ErrStopped) {
			out = append(out, err)
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return errors.Join(out...)
}

func (x *run) stopping() bool {
	select {
	case <-x.Stop:
		return true
	default:
		return false
	}
}

// graceful returns a context that ends Grace after Stop.
func (x *run) graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	grace := x.Grace
	if grace == 0 {
		grace = 30 * time.Second
	}
	if x.Stop == nil {
		return ctx, cancel
	}
	go func() {
		select {
		case <-x.Stop:
		case <-ctx.Done():
			return
		}
		wait(ctx, grace)
		cancel()
	}()
	return ctx, cancel
}

func (x *run) event(e Event) error {
	e.Run, e.Kind = x.id, x.plan.Kind
	return x.Journal.Append(e)
}

// wait waits for d or until ctx ends; it reports whether d passed.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

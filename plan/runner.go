package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// ErrStopped is returned by a run that a signal or RunOptions.To ended between
// steps. Running the same plan again continues it.
var ErrStopped = errors.New("stopped before the plan was finished")

// Runner runs plans with a journal, and takes them back. Zero values are the defaults.
type Runner struct {
	Journal *Journal
	// Stop, once closed, stops the run between steps: the first signal. The second
	// one cancels Run's context, which stops it at once.
	Stop <-chan struct{}
	// Grace is how long running steps may take after Stop; default 30 s.
	Grace time.Duration
	// Attempts bounds how often a step is tried while its errors are transient;
	// default 6. Backoff is the first wait between two attempts, doubled each time;
	// default 500 ms.
	Attempts int
	Backoff  time.Duration
	// AtOnce bounds the steps of a stage that run side by side; default 8.
	AtOnce int
	// Allow is asked before each step that changes something, and before each Undo; nil is
	// always. Its error keeps the step from beginning.
	Allow func(ctx context.Context, undo bool) error
	// UndoBudget bounds each Undo; default 5 min. An Undo also runs when Run's
	// context is cancelled: it has its own.
	UndoBudget time.Duration
}

// RunOptions narrow a run.
type RunOptions struct {
	// Reviewed is the plan that the operator saw; nil runs without a review.
	Reviewed *Review
	// To ends the run after the stage of that name, with ErrStopped if more follow.
	To string
}

// run is one run of one plan.
type run struct {
	*Runner
	plan Plan
	id   string
	// sectionWasDone means that an earlier run completed the critical section. This
	// run must not take it back: DNS may already lead to the other side.
	sectionWasDone bool
	// undoingSection is set while a critical section is undone. Until that is done,
	// the service may have no writable side: every error but a permanent one is
	// retried, and a journal that cannot be written (journalErr) delays nothing.
	undoingSection bool
	journalErr     error
	// decided means that the section was decided by others while no run was there: it is
	// completed, and no gate may block that.
	decided bool
	// askAgain means that the gates before the section are asked again: a part of it was
	// decided, and another part given back.
	askAgain bool
}

// Run runs p, and continues where an earlier run of the same plan ended. It returns
// nil when every step is verified; a *StaleError, before anything is changed, when
// p is no longer the reviewed plan; ErrStopped after a signal; otherwise the
// step's error, which is in the journal. In a critical section it undoes the
// section before it returns.
func (r *Runner) Run(ctx context.Context, p Plan, opt RunOptions) error {
	x := &run{Runner: r, plan: p}
	if err := knownStage(p, opt.To); err != nil {
		return err
	}
	resumed, err := x.begin(ctx, opt.Reviewed)
	if err != nil {
		return err
	}
	if resumed {
		if resumed, err = x.renew(ctx, opt.Reviewed); err != nil {
			return err
		}
	}
	x.sectionWasDone = x.sectionDone()
	start := r.Journal.Now()
	err = x.stages(ctx, opt.To)
	end := Event{Type: RunFinished, Reverts: p.Reverts, Final: p.Final, Millis: r.Journal.Now().Sub(start).Milliseconds()}
	switch {
	case errors.Is(err, ErrStopped):
		end = Event{Type: RunStopped, Text: err.Error(), Millis: end.Millis}
	case err != nil:
		end = Event{Type: RunFailed, Text: err.Error(), Millis: end.Millis}
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
	first, end := x.plan.section()
	if reviewed != nil && begun && !same && last.Outcome != RunFinished && first < end {
		if err := x.mayReplace(h); err != nil {
			return false, err
		}
		resumed = true
	}
	if reviewed != nil {
		if err := reviewed.SamePlan(x.plan); err != nil {
			return false, err
		}
		if !same { // a plan that was begun has itself changed what the Checks see
			if err := x.seesTheSame(ctx, *reviewed); err != nil {
				return false, err
			}
		}
	}
	if resumed {
		x.id = last.ID
		return true, x.event(Event{Type: RunResumed, Digest: x.plan.Digest()})
	}
	return false, x.start()
}

// start journals the start of a new run, which asks its gates anew.
func (x *run) start() error {
	n := 1
	for _, r := range x.Journal.History().Runs {
		if r.Kind == x.plan.Kind {
			n++
		}
	}
	x.id = fmt.Sprintf("%s-%d", x.plan.Kind, n)
	return x.event(Event{Type: RunStarted, Digest: x.plan.Digest()})
}

// mayReplace refuses a plan that differs from the one that an unfinished run has
// begun. Once that run has completed its critical section, the rest may differ if
// it was reviewed again: records or hosts may have changed meanwhile, and the way
// forward must not depend on changing them back.
func (x *run) mayReplace(h *History) error {
	if !x.sectionDone() {
		return report.WithHint(&StaleError{x.plan.Kind, "an unfinished run of another plan stands in the journal"},
			"put the configuration back and finish it, or take it back: migrate rollback")
	}
	return coversOurs(h, x.plan)
}

func (x *run) seesTheSame(ctx context.Context, reviewed Review) error {
	now, err := Survey(ctx, x.plan, x.Journal.Now())
	if err != nil {
		return err
	}
	return reviewed.seesTheSame(now)
}

// knownStage refuses to stop after a stage that the plan does not have.
func knownStage(p Plan, to string) error {
	var names []string
	for _, s := range p.Stages {
		names = append(names, s.Name)
	}
	if to == "" || slices.Contains(names, to) {
		return nil
	}
	return report.WithHint(fmt.Errorf("%s has no stage %s", p.Kind, to), "its stages are %s", strings.Join(names, ", "))
}

func (x *run) stages(ctx context.Context, to string) error {
	for i, stage := range x.plan.Stages {
		if x.stopping() && !stage.NoStop {
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

// abort ends a run at stage i. Inside the critical section it first restores a
// writable side: it undoes the whole section, in reverse order. It leaves a section
// that an earlier run completed: the way back from there is another plan.
func (x *run) abort(ctx context.Context, i int, cause error) error {
	first, last := x.plan.section()
	if i < first || i >= last || x.sectionWasDone || !x.begunIn(first, last) {
		return cause
	}
	x.undoingSection = true
	if err := x.undo(ctx, x.plan.Stages[first:last]); err != nil {
		return errors.Join(cause, explainHalfUndone(err), x.journalErr)
	}
	cause = errors.Join(cause, x.journalErr)
	return fmt.Errorf("%w (the critical section was undone)", cause)
}

func explainHalfUndone(err error) error {
	err = fmt.Errorf("undo of the critical section: %w", err)
	if report.Hint(err) == "" {
		err = report.WithHint(err, "the section stands half undone, and perhaps no side accepts writes: remove the cause, then migrate rollback")
	}
	return err
}

// sectionDone reports whether every step of the section's last stage is verified.
func (x *run) sectionDone() bool {
	first, last := x.plan.section()
	if first == last {
		return false
	}
	h, stage := x.Journal.History(), x.plan.Stages[last-1]
	for _, s := range stage.Steps {
		if h.Step(x.plan.Key(stage, s)).Phase != Verified {
			return false
		}
	}
	return true
}

func (x *run) begunIn(first, last int) bool {
	for i := first; i < last; i++ {
		if x.begun(i) {
			return true
		}
	}
	return false
}

// begun reports whether a step of stage i that changes something was started.
func (x *run) begun(i int) bool {
	h := x.Journal.History()
	for _, s := range x.plan.Stages[i].Steps {
		if r := h.Step(x.plan.Key(x.plan.Stages[i], s)); r.Ours && !r.Gate {
			return true
		}
	}
	return false
}

func (x *run) stage(ctx context.Context, i int, stage Stage) error {
	stoppable := !stage.NoStop
	if stoppable {
		var cancel context.CancelFunc
		ctx, cancel = x.graceful(ctx)
		defer cancel()
	}
	var g errgroup.Group
	g.SetLimit(x.atOnce(stage))
	errs := make([]error, len(stage.Steps))
	for n, s := range stage.Steps {
		g.Go(func() error {
			if stage.Serial && failed(errs[:n]) {
				return nil
			}
			if stoppable && x.stopping() {
				errs[n] = ErrStopped
				return nil
			}
			errs[n] = x.step(ctx, i, stage, s)
			return nil
		})
	}
	_ = g.Wait() // its functions return nil: errs has them
	if stoppable && x.stopping() && !stepFailed(errs) {
		if failed(errs) {
			return ErrStopped
		}
		return nil
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

// stepFailed reports whether a step failed for another reason than the stop.
func stepFailed(errs []error) bool {
	for _, err := range errs {
		if err != nil && !errors.Is(err, ErrStopped) && !errors.Is(err, context.Canceled) {
			return true
		}
	}
	return false
}

// joinSteps joins the steps' errors. A single one stays as it is, so that its hint
// and type stay reachable.
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
		_ = wait.For(ctx, grace) // it also ends when the steps end earlier
		cancel()
	}()
	return ctx, cancel
}

// allowed asks Allow.
func (x *run) allowed(ctx context.Context, undo bool) error {
	if x.Allow == nil {
		return nil
	}
	return x.Allow(ctx, undo)
}

func (x *run) event(e Event) error {
	e.Run, e.Kind = x.id, x.plan.Kind
	err := x.Journal.Append(e)
	if err != nil && x.undoingSection {
		x.journalErr = err // the last one is enough: a broken journal stays broken
		return nil
	}
	return err
}

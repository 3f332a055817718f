package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// execution is one step in one run.
type execution struct {
	*run
	step Step
	key  Key
}

// Note and Progress make the execution the Reporter that the step's context carries.
func (e *execution) Note(text string) {
	// A failed write shows at the step's next event, which fails, too.
	_ = e.event(Event{Step: e.key, Type: StepNote, Text: text})
}

func (e *execution) Progress(p report.Progress) {
	e.Journal.show(Event{Run: e.run.id, Kind: e.plan.Kind, Step: e.key, Type: StepProgress, Progress: &p})
}

// step takes one step to verified, or finds it done, whatever an earlier run that
// was killed has left.
func (x *run) step(ctx context.Context, i int, stage Stage, s Step) error {
	e := &execution{x, s, x.plan.Key(stage, s)}
	ctx = report.With(ctx, e)
	start := x.Journal.Now()
	rec := x.Journal.History().Step(e.key)
	if s.Gate && rec.Phase == Verified && x.passed(i, rec) {
		return nil // what it guards has begun: another look could only block the way forward
	}
	if err := e.complete(ctx, rec); err != nil {
		err = fmt.Errorf("%s: %w", e.key, err)
		return errors.Join(err, x.event(Event{Step: e.key, Type: StepFailed, Text: err.Error(), Millis: e.since(start)}))
	}
	return nil
}

// complete checks the step, applies it if it is needed, and verifies it. rec is what
// the journal says of it.
func (e *execution) complete(ctx context.Context, rec Record) error {
	start := e.Journal.Now()
	state, err := retry(ctx, e, "check", e.step.Op.Check)
	if err != nil {
		return err
	}
	if state.Unknown {
		return fmt.Errorf("cannot be checked: %s", state.Now)
	}
	if state.Done && !e.step.Gate && !rec.Ours {
		return e.event(Event{Step: e.key, Type: StepSkipped, Text: state.Now})
	}
	if !state.Done || e.step.Gate {
		if rec.Ours && rec.Phase != Started && !e.step.Gate {
			e.Note("no longer in force, applied again: " + state.Now)
		}
		if !e.step.Gate {
			if err := e.allowed(ctx, false); err != nil {
				return err
			}
		}
		if err := e.event(Event{Step: e.key, Type: StepStarted, Before: compact(state.Before), Gate: e.step.Gate}); err != nil {
			return err
		}
		if err := e.apply(ctx); err != nil {
			return err
		}
		rec.Phase = Started
	}
	if rec.Phase == Started {
		if err := e.event(Event{Step: e.key, Type: StepApplied, Millis: e.since(start)}); err != nil {
			return err
		}
	}
	start = e.Journal.Now()
	if _, err := retry(ctx, e, "verify", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, e.step.Op.Verify(ctx)
	}); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return e.event(Event{Step: e.key, Type: StepVerified, Millis: e.since(start)})
}

// apply applies the step. After a transient error it first checks again, because
// the change may have been made and only the answer lost.
func (e *execution) apply(ctx context.Context) error {
	retried := false
	_, err := retry(ctx, e, "apply", func(ctx context.Context) (struct{}, error) {
		if retried && !e.step.Gate {
			state, err := e.step.Op.Check(ctx)
			if err != nil || state.Done {
				return struct{}{}, err
			}
		}
		retried = true
		return struct{}{}, e.step.Op.Apply(ctx)
	})
	return err
}

// retry calls f until it succeeds, its error must not be retried, or the attempts
// are used up. Every wait is a journal event with its reason.
func retry[T any](ctx context.Context, e *execution, what string, f func(context.Context) (T, error)) (T, error) {
	attempts, backoff := e.Attempts, e.Backoff
	if attempts == 0 {
		attempts = 6
	}
	if backoff == 0 {
		backoff = 500 * time.Millisecond
	}
	for n := 1; ; n++ {
		v, err := f(ctx)
		after, again := e.retries(err, n, attempts)
		if err == nil || !again {
			return v, err
		}
		pause := max(backoff, after)
		backoff = min(2*backoff, e.maxBackoff())
		text := fmt.Sprintf("%s, attempt %d of %d, again in %s: %v", what, n, attempts, pause, err)
		if e.undoingSection {
			text = fmt.Sprintf("%s, attempt %d, again in %s: %v", what, n, pause, err)
		}
		if err := e.event(Event{Step: e.key, Type: StepRetry, Text: text}); err != nil {
			return v, err
		}
		if ended := wait.For(ctx, pause); ended != nil {
			return v, errors.Join(err, ended)
		}
	}
}

// retries reports whether another attempt follows attempt n, and how long the
// other side has asked to wait.
func (e *execution) retries(err error, n, attempts int) (after time.Duration, again bool) {
	var transient *report.TransientError
	if errors.As(err, &transient) {
		after = transient.After
	}
	if e.undoingSection {
		var permanent *report.PermanentError
		return after, !errors.As(err, &permanent)
	}
	return after, transient != nil && n < attempts
}

// maxBackoff bounds the wait between two attempts. It is short while a critical
// section is undone, because clients wait meanwhile.
func (e *execution) maxBackoff() time.Duration {
	if e.undoingSection {
		return 2 * time.Second
	}
	return time.Minute
}

func (e *execution) since(start time.Time) int64 { return e.Journal.Now().Sub(start).Milliseconds() }

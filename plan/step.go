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
	// A note that cannot be written shows at the step's next event: the journal is broken then.
	_ = e.event(Event{Step: e.key, Type: StepNote, Text: text})
}

func (e *execution) Progress(p report.Progress) {
	e.Journal.Show(Event{Run: e.run.id, Kind: e.plan.Kind, Step: e.key, Type: StepProgress, Progress: &p})
}

// step brings one step to verified (or finds it done), whatever an earlier,
// crashed run left of it.
func (x *run) step(ctx context.Context, i int, stage Stage, s Step) error {
	e := &execution{x, s, x.plan.Key(stage, s)}
	ctx = report.With(ctx, e)
	start := x.Journal.Now()
	rec := x.Journal.History().Step(e.key)
	if s.Gate && rec.Phase == Verified && x.passed(i) {
		return nil // what it guarded has begun: asking again could only block the way on
	}
	if err := e.bring(ctx, rec); err != nil {
		err = fmt.Errorf("%s: %w", e.key, err)
		return errors.Join(err, x.event(Event{Step: e.key, Type: StepFailed, Text: err.Error(), Millis: e.since(start)}))
	}
	return nil
}

// passed reports whether what the gates of stage i guard has begun: a later
// stage has changed something. A change that was tried and not made is none: a
// day may have gone by since, and the gate is asked again. Only the critical
// section goes by what was started: it is undone or completed, never asked.
func (x *run) passed(i int) bool {
	h := x.Journal.History()
	for _, stage := range x.plan.Stages[i+1:] {
		for _, s := range stage.Steps {
			r := h.Step(x.plan.Key(stage, s))
			if r.Ours && !r.Gate && (r.Phase != Started || stage.Critical) {
				return true
			}
		}
	}
	return false
}

func (e *execution) bring(ctx context.Context, rec Record) error {
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

// apply applies; after a Transient error it Checks again first, because the
// work may have been done and only its answer lost.
func (e *execution) apply(ctx context.Context) error {
	again := false
	_, err := retry(ctx, e, "apply", func(ctx context.Context) (struct{}, error) {
		if again && !e.step.Gate {
			state, err := e.step.Op.Check(ctx)
			if err != nil || state.Done {
				return struct{}{}, err
			}
		}
		again = true
		return struct{}{}, e.step.Op.Apply(ctx)
	})
	return err
}

// retry calls f until it succeeds, its error is not Transient, or the attempts
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
		after, again := e.again(err, n, attempts)
		if err == nil || !again {
			return v, err
		}
		pause := max(backoff, after)
		backoff = min(2*backoff, e.longest())
		text := fmt.Sprintf("%s, attempt %d of %d, again in %s: %v", what, n, attempts, pause, err)
		if e.insist {
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

// again reports whether attempt n is followed by another, and how long the
// other side wants to be left alone before.
func (e *execution) again(err error, n, attempts int) (after time.Duration, again bool) {
	var transient *report.TransientError
	if errors.As(err, &transient) {
		after = transient.After
	}
	if e.insist {
		var permanent *report.PermanentError
		return after, !errors.As(err, &permanent)
	}
	return after, transient != nil && n < attempts
}

// longest bounds the wait between two attempts: while a section is undone,
// clients wait, too.
func (e *execution) longest() time.Duration {
	if e.insist {
		return 2 * time.Second
	}
	return time.Minute
}

func (e *execution) since(start time.Time) int64 { return e.Journal.Now().Sub(start).Milliseconds() }

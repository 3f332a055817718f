package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/report"
)

// Undo takes back the steps of p that this migration applied, in reverse order of
// their start; never those that it found done. It notes and skips steps that
// cannot be undone. It stops at the first failure: the step that could not be
// undone may still use what earlier steps made.
func (r *Runner) Undo(ctx context.Context, p Plan) error {
	if err := coversOurs(r.Journal.History(), p); err != nil {
		return err
	}
	x := &run{Runner: r, plan: p, id: "undo-" + p.Kind}
	if err := x.event(Event{Type: RunStarted, Digest: p.Digest(), Text: "undo"}); err != nil {
		return err
	}
	err := x.undo(ctx, p.Stages)
	end := Event{Type: RunStopped, Text: "undone"}
	if err != nil {
		end = Event{Type: RunFailed, Text: err.Error()}
	}
	return errors.Join(err, x.event(end))
}

// coversOurs refuses a plan that would take back only a part: it must have every
// step of its kind that this migration applied. It is built from the configuration
// as it is now, which may have changed since.
func coversOurs(h *History, p Plan) error {
	known := map[Key]bool{}
	for _, stage := range p.Stages {
		for _, s := range stage.Steps {
			known[p.Key(stage, s)] = true
		}
	}
	var missing []string
	for _, r := range h.Ours(p.Kind) {
		if !r.Gate && !known[r.Key] {
			missing = append(missing, r.Key.String())
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return report.WithHint(&StaleError{p.Kind, "the configuration no longer has what was applied: " + strings.Join(missing, ", ")},
		"put the configuration back as it was when it was applied")
}

// Undoable lists what Undo would take back, in its order.
func Undoable(h *History, p Plan) []Step {
	var out []Step
	for _, t := range undoOrder(h, p, p.Stages) {
		out = append(out, t.step)
	}
	return out
}

type undoTarget struct {
	step Step
	rec  Record
}

func undoOrder(h *History, p Plan, stages []Stage) []undoTarget {
	var out []undoTarget
	for _, stage := range stages {
		for _, s := range stage.Steps {
			if rec := h.Step(p.Key(stage, s)); rec.Ours {
				out = append(out, undoTarget{s, rec})
			}
		}
	}
	slices.SortFunc(out, func(a, b undoTarget) int { return b.rec.Order - a.rec.Order })
	return out
}

// undo undoes what this migration applied in stages, each step within UndoBudget.
// It runs on after ctx is cancelled: a signal must not leave both sides fenced.
func (x *run) undo(ctx context.Context, stages []Stage) error {
	ctx = context.WithoutCancel(ctx)
	for _, t := range undoOrder(x.Journal.History(), x.plan, stages) {
		if err := x.undoStep(ctx, t); err != nil {
			err = fmt.Errorf("undo %s: %w", t.rec.Key, err)
			return errors.Join(err, x.event(Event{Step: t.rec.Key, Type: StepFailed, Text: err.Error()}))
		}
	}
	return nil
}

func (x *run) undoStep(ctx context.Context, t undoTarget) error {
	budget := x.UndoBudget
	if budget == 0 {
		budget = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	e := &execution{x, t.step, t.rec.Key}
	ctx = report.With(ctx, e)
	start := x.Journal.Now()
	if t.step.CannotUndo != "" {
		e.Note("cannot be undone: " + t.step.CannotUndo)
		return x.event(Event{Step: e.key, Type: StepUndone, Text: t.step.CannotUndo})
	}
	if err := x.allowed(ctx, true); err != nil {
		return err
	}
	if err := x.event(Event{Step: e.key, Type: StepUndoing}); err != nil {
		return err
	}
	if _, err := retry(ctx, e, "undo", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, t.step.Op.Undo(ctx, t.rec.Before)
	}); err != nil {
		return err
	}
	return x.event(Event{Step: e.key, Type: StepUndone, Millis: e.since(start)})
}

package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// passed reports whether a gate of stage i that has held is not asked again: what it
// guards has begun, since a later stage has changed something. A change that was tried and
// not made does not count. In the critical section a started step counts: the section is
// undone or completed. What the gate said holds for the plan's GatesHold, or for ever once
// the stage that commits has changed something.
func (x *run) passed(i int, gate Record) bool {
	first, last := x.plan.section()
	if i < last && x.decided {
		return true
	}
	if i < first && x.askAgain {
		return false
	}
	return x.changedAfter(i, i) && (x.young(gate) || x.changedAfter(i, x.commits()))
}

// changedAfter reports whether a stage after i, from stage `from` on, has changed something.
func (x *run) changedAfter(i, from int) bool {
	h := x.Journal.History()
	for k := max(i+1, from); k < len(x.plan.Stages); k++ {
		stage := x.plan.Stages[k]
		for _, s := range stage.Steps {
			r := h.Step(x.plan.Key(stage, s))
			if r.Ours && !r.Gate && (r.Phase != Started || stage.Critical) {
				return true
			}
		}
	}
	return false
}

// commits is the stage that commits. Without one every change does.
func (x *run) commits() int {
	return max(0, slices.IndexFunc(x.plan.Stages, func(s Stage) bool { return s.Commits }))
}

// young reports whether what a gate has said still holds.
func (x *run) young(gate Record) bool {
	return x.plan.GatesHold == 0 || x.Journal.Now().Sub(gate.Time) < x.plan.GatesHold
}

// renew looks at a critical section that an interrupted run has begun. A section that
// stands, and whose gates are young, is continued. One that others have decided
// meanwhile is completed. Everything else is taken back, and a new run begins, which asks
// every gate: the world of the first one is gone.
func (x *run) renew(ctx context.Context, reviewed *Review) (resumed bool, err error) {
	first, last := x.plan.section()
	if first == last || x.sectionDone() || !x.begunIn(first, last) {
		return true, nil
	}
	why, decided := x.standing(ctx)
	switch {
	case decided:
		x.decided, x.askAgain = why == "", why != ""
		return true, nil
	case why == "":
		return true, nil
	}
	if err := x.event(Event{Type: StepNote, Text: "the critical section that was begun is taken back, and the gates are asked again: " + why}); err != nil {
		return false, err
	}
	x.undoingSection = true
	err = x.undo(ctx, x.plan.Stages[first:last])
	x.undoingSection = false
	if err = errors.Join(err, x.journalErr); err != nil {
		err = explainHalfUndone(err)
		return false, errors.Join(err, x.event(Event{Type: RunFailed, Text: err.Error()}))
	}
	if reviewed != nil && !x.Journal.History().Begun(x.plan.Kind) {
		if err := x.seesTheSame(ctx, *reviewed); err != nil {
			return false, errors.Join(err, x.event(Event{Type: RunFailed, Text: err.Error()}))
		}
	}
	return false, x.start()
}

// standing says why the critical section cannot be continued, or "", and whether any of
// its steps was decided by others.
func (x *run) standing(ctx context.Context) (why string, decided bool) {
	first, last := x.plan.section()
	h := x.Journal.History()
	for _, stage := range x.plan.Stages[:first] {
		for _, s := range stage.Steps {
			gate := h.Step(x.plan.Key(stage, s))
			if s.Gate && (gate.Phase != Verified || !x.young(gate)) {
				why = gate.Key.String() + " was asked too long ago"
			}
		}
	}
	var g errgroup.Group
	g.SetLimit(checksAtOnce)
	type seen struct {
		why     string
		decided bool
	}
	var all []*seen
	for _, stage := range x.plan.Stages[first:last] {
		for _, s := range stage.Steps {
			if s.Gate {
				continue
			}
			now, key := &seen{}, x.plan.Key(stage, s)
			all = append(all, now)
			g.Go(func() error { now.why, now.decided = x.inForce(ctx, s, key); return nil })
		}
	}
	_ = g.Wait() // its functions return nil
	for _, now := range all {
		decided = decided || now.decided
	}
	if decided {
		why = "" // the age of gates blocks nothing that was decided
	}
	for _, now := range all {
		if now.why != "" {
			why = now.why
		}
	}
	return why, decided
}

// inForce says why a step of the section that was made is no longer in force, or "", and
// whether it was decided by others.
func (x *run) inForce(ctx context.Context, s Step, key Key) (why string, decided bool) {
	rec := x.Journal.History().Step(key)
	if d, ok := s.Op.(Decider); ok {
		var err error
		if decided, err = d.Decided(ctx); err != nil {
			return fmt.Sprintf("%s: %v", key, err), false
		}
	}
	if decided || !rec.Ours || rec.Phase == Started {
		return "", decided
	}
	state, err := s.Op.Check(ctx)
	switch {
	case err != nil:
		return fmt.Sprintf("%s: %v", key, err), false
	case !state.Done:
		return fmt.Sprintf("%s: %s", key, state.Now), false
	}
	return "", false
}

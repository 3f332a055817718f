package move

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
)

// DifferenceError is a verify that found differences; the reports have them.
type DifferenceError struct{ Count int64 }

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("the sides differ: %d differences", e.Count)
}

// reports keeps verify reports in the state folder; it implements
// replication.VerifyStore.
type reports struct{ *Move }

func (s reports) file(pair string) string { return s.path("verify-" + pair + ".json") }

// LastVerify returns the last report, unless it is of another seed, or from
// before the writers changed sides: then it says nothing of the rows as they are.
func (s reports) LastVerify(_ context.Context, pair string) (replication.VerifyReport, bool, error) {
	r, ok, err := s.last(pair)
	if err != nil || !ok {
		return r, false, err
	}
	h, err := s.History()
	if err != nil {
		return r, false, err
	}
	return r, !r.Started.Before(seededOrSwitched(h)), nil
}

// seededOrSwitched is when the rows were last copied, linked or written from
// another side.
func seededOrSwitched(h *plan.History) time.Time {
	var last time.Time
	for key, r := range h.Steps {
		copies := key.Stage == verb.StageSeed || key.Stage == verb.StageForward || key.Stage == verb.StageReverse
		if key.Kind == verb.Apply && copies && r.InForceSince.After(last) {
			last = r.InForceSince
		}
	}
	for _, r := range h.Runs {
		if (r.Kind == verb.Cutover || r.Kind == verb.Rollback) && r.Outcome == plan.RunFinished && r.Ended.After(last) {
			last = r.Ended
		}
	}
	return last
}

// last reads the last report as it was saved.
func (s reports) last(pair string) (r replication.VerifyReport, ok bool, err error) {
	ok, err = readState(s.file(pair), &r)
	return r, ok, err
}

func (s reports) SaveVerify(_ context.Context, r replication.VerifyReport) error {
	return plan.WriteJSON(s.file(r.Pair), r)
}

func (m *Move) verifyFresh() []plan.Step {
	return m.pairs.Steps(func(p replication.Pair) plan.Step {
		return replication.VerifyFresh(p, replication.Source, reports{m}, m.Config.Cutover.VerifyAge)
	})
}

// VerifyOptions are what the operator asks of a verify.
type VerifyOptions struct {
	Pair     string   // the pair to compare; "": all
	Tables   []string // as schema.table; none: everything
	Parallel int      // chunks side by side; 0: replication's default
	// Progress is told how far the verify of a pair is; may be nil.
	Progress func(pair string, p report.Progress)
}

// chosen are the pairs that the operator asks for.
func (m *Move) chosen(o VerifyOptions) ([]replication.Pair, error) {
	var names []string
	var out []replication.Pair
	for _, p := range m.pairs {
		names = append(names, p.Name)
		if o.Pair == "" || o.Pair == p.Name {
			out = append(out, p)
		}
	}
	switch {
	case o.Pair != "" && len(out) == 0:
		return nil, verb.Refuse("pairs are "+strings.Join(names, ", "), "there is no pair %q", o.Pair)
	case len(o.Tables) > 0 && len(out) > 1:
		return nil, verb.Refuse("add --pair, one of "+strings.Join(names, ", "), "it is not clear of which pair the tables are")
	}
	return out, nil
}

func (o VerifyOptions) of(p replication.Pair, from replication.Side) replication.VerifyOptions {
	out := replication.VerifyOptions{From: from, Tables: o.Tables, Parallel: o.Parallel}
	if o.Progress != nil {
		out.Progress = func(progress report.Progress) { o.Progress(p.Name, progress) }
	}
	return out
}

// Verify compares every row of every pair while both sides are live, and keeps
// the reports. Differences are a *DifferenceError.
func (m *Move) Verify(ctx context.Context, o VerifyOptions) ([]replication.VerifyReport, error) {
	h, err := m.History()
	if err != nil {
		return nil, err
	}
	from, hint := replication.Source, "look at the rows that are named; writes past the replication (H24) are the usual cause; migrate verify --repair makes them on the target what they are on the source"
	switch at := verb.PositionOf(h); at {
	case verb.Applied:
	case verb.OnTarget:
		from, hint = replication.Target, "look at the rows that are named; writes past the replication (H24) are the usual cause"
	default:
		return nil, verb.Refuse("migrate apply comes first; while a switch is unfinished, finish it", "verify does not fit here: %s", at)
	}
	pairs, err := m.chosen(o)
	if err != nil {
		return nil, err
	}
	var out []replication.VerifyReport
	var differences int64
	for _, p := range pairs {
		r, err := replication.Verify(ctx, p, o.of(p, from))
		if err != nil {
			return out, err
		}
		if err := m.keep(ctx, r); err != nil {
			return out, err
		}
		out = append(out, r)
		differences += r.Found
	}
	if differences > 0 {
		return out, report.WithHint(&DifferenceError{differences}, "%s", hint)
	}
	return out, nil
}

// keep saves a report. One of a part says nothing of the rest, unless it found
// differences: then no older report is true any more.
func (m *Move) keep(ctx context.Context, r replication.VerifyReport) error {
	if !r.Whole() && r.Clean() {
		return nil
	}
	return reports{m}.SaveVerify(ctx, r)
}

// RepairOptions are what the operator asks of a repair.
type RepairOptions struct {
	VerifyOptions
	// Found is told what differs before anything is written; Writes what is
	// about to be written. Either may be nil.
	Found  func(replication.VerifyReport)
	Writes func(pair, text string)
}

// Repair verifies every pair, makes the rows that differ on the fenced target
// what they are on the source, and verifies again. It holds the lock, and what
// it writes is in the journal first. What differs still is a *DifferenceError.
func (m *Move) Repair(ctx context.Context, o RepairOptions) (out []replication.RepairReport, err error) {
	err = m.locked("repair", RunOptions{}, func(r *plan.Runner) error {
		if at := verb.PositionOf(r.Journal.History()); at != verb.Applied {
			return verb.Refuse("rows are repaired before the cutover, on a fenced target, with the writers on the source", "verify --repair does not fit here: %s", at)
		}
		pairs, err := m.chosen(o.VerifyOptions)
		if err != nil {
			return err
		}
		var differences int64
		for _, p := range pairs {
			report, err := replication.Repair(ctx, p, o.ofPair(r.Journal, p))
			if err != nil {
				return err
			}
			if err := m.keep(ctx, report.After); err != nil {
				return err
			}
			out = append(out, report)
			differences += report.After.Found
		}
		if differences > 0 {
			return report.WithHint(&DifferenceError{differences}, "what is left is named with the reason; definitions and accounts are never repaired: make them alike by hand, or seed the target again")
		}
		return nil
	})
	return out, err
}

func (o RepairOptions) ofPair(journal *plan.Journal, p replication.Pair) replication.RepairOptions {
	note := func(text string) error {
		return journal.Append(plan.Event{Kind: "repair", Type: plan.StepNote, Text: p.Name + ": " + text})
	}
	return replication.RepairOptions{
		VerifyOptions: o.of(p, replication.Source),
		Found: func(r replication.VerifyReport) error {
			if o.Found != nil {
				o.Found(r)
			}
			return note(r.Summary())
		},
		Writes: func(text string) error {
			if o.Writes != nil {
				o.Writes(p.Name, text)
			}
			return note(text)
		},
	}
}

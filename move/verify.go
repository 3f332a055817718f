package move

import (
	"context"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/report"
)

// DifferenceError is returned by a verify or repair that leaves differences. The
// reports list them.
type DifferenceError struct{ Count int64 }

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("the sides differ: %d differences", e.Count)
}

// Verifier compares and repairs the rows of pairs.
type Verifier struct{ site *wiring.Site }

// VerifyOptions are what the operator chose for a verify.
type VerifyOptions struct {
	Pair     string   // the pair to compare; "" is all
	Tables   []string // the tables to compare, as schema.table; none is all
	Parallel int      // chunks compared side by side; 0 is replication's default
	// Progress, which may be nil, is called as the verify of a pair advances.
	Progress func(pair string, p report.Progress)
}

// chosen are the pairs that the operator chose.
func (v *Verifier) chosen(o VerifyOptions) ([]replication.Pair, error) {
	var names []string
	var out []replication.Pair
	for _, p := range v.site.Pairs {
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

func (o VerifyOptions) of(p replication.Pair, from replication.Side) verify.Options {
	out := verify.Options{From: from, Tables: o.Tables, Parallel: o.Parallel}
	if o.Progress != nil {
		out.Progress = func(progress report.Progress) { o.Progress(p.Name, progress) }
	}
	return out
}

// Verify compares every row of every pair while both sides are live, and saves the
// reports. If rows differ, the error is a *DifferenceError.
func (v *Verifier) Verify(ctx context.Context, o VerifyOptions) ([]verify.Report, error) {
	h, err := v.site.State.History()
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
	pairs, err := v.chosen(o)
	if err != nil {
		return nil, err
	}
	var out []verify.Report
	var differences int64
	for _, p := range pairs {
		r, err := verify.Run(ctx, p, o.of(p, from))
		if err != nil {
			return out, err
		}
		if err := v.keep(ctx, r); err != nil {
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

// keep saves a report. A clean report of a part is not saved, because it says nothing
// about the rest. One with differences is: the older report is no longer true.
func (v *Verifier) keep(ctx context.Context, r verify.Report) error {
	if !r.Whole() && r.Clean() {
		return nil
	}
	return state.Verifies{Folder: v.site.State}.SaveVerify(ctx, r)
}

// RepairOptions are what the operator chose for a repair.
type RepairOptions struct {
	VerifyOptions
	// Found is called with what differs, before anything is written; Writes with
	// each row that is about to be written. Either may be nil.
	Found  func(verify.Report)
	Writes func(pair, text string)
}

// Repair verifies every pair, makes rows that differ on the fenced target equal to
// those of the source, and verifies again. It holds the lock, and records in the
// journal what it is about to write. If rows still differ, the error is a
// *DifferenceError.
func (v *Verifier) Repair(ctx context.Context, o RepairOptions) (out []verify.RepairReport, err error) {
	err = v.site.State.Write("repair", nil, func(j *plan.Journal) error {
		if at := verb.PositionOf(j.History()); at != verb.Applied {
			return verb.Refuse("rows are repaired before the cutover, on a fenced target, with the writers on the source", "verify --repair does not fit here: %s", at)
		}
		if err := (leadership{v.site}).check(ctx); err != nil {
			return err
		}
		pairs, err := v.chosen(o.VerifyOptions)
		if err != nil {
			return err
		}
		var differences int64
		for _, p := range pairs {
			repaired, err := verify.Repair(ctx, p, o.ofPair(j, p))
			if err != nil {
				return err
			}
			if err := v.keep(ctx, repaired.After); err != nil {
				return err
			}
			out = append(out, repaired)
			differences += repaired.After.Found
		}
		if differences > 0 {
			return report.WithHint(&DifferenceError{differences}, "what is left is named with the reason; definitions and accounts are never repaired: make them alike by hand, or seed the target again")
		}
		return nil
	})
	return out, err
}

func (o RepairOptions) ofPair(journal *plan.Journal, p replication.Pair) verify.RepairOptions {
	note := func(text string) error {
		return journal.Append(plan.Event{Kind: "repair", Type: plan.StepNote, Text: p.Name + ": " + text})
	}
	return verify.RepairOptions{
		Options: o.of(p, replication.Source),
		Found: func(r verify.Report) error {
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

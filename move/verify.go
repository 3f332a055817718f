package move

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
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
	for id, r := range h.Steps {
		if strings.HasPrefix(id, Apply+"/seed/") || strings.HasPrefix(id, Apply+"/link-") {
			if r.InForceSince.After(last) {
				last = r.InForceSince
			}
		}
	}
	for _, r := range h.Runs {
		if (r.Kind == Cutover || r.Kind == Rollback) && r.Outcome == plan.RunFinished && r.Ended.After(last) {
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
	return m.perPair(func(p replication.Pair) plan.Step {
		return replication.VerifyFresh(p, replication.Source, reports{m}, m.Config.Cutover.VerifyAge)
	})
}

// Verify compares every row of every pair while both sides are live, and keeps
// the reports. Differences are a *DifferenceError.
func (m *Move) Verify(ctx context.Context) ([]replication.VerifyReport, error) {
	h, err := m.History()
	if err != nil {
		return nil, err
	}
	from := replication.Source
	switch at := PositionOf(h); at {
	case Applied:
	case OnTarget:
		from = replication.Target
	default:
		return nil, refuse("migrate apply comes first; while a switch is unfinished, finish it", "verify does not fit here: %s", at)
	}
	var out []replication.VerifyReport
	var differences int64
	for _, p := range m.pairs {
		r, err := replication.Verify(ctx, p, replication.VerifyOptions{From: from})
		if err != nil {
			return out, err
		}
		if err := (reports{m}).SaveVerify(ctx, r); err != nil {
			return out, err
		}
		out = append(out, r)
		differences += r.Found
	}
	if differences > 0 {
		return out, plan.WithHint(&DifferenceError{differences}, "look at the rows that are named; writes past the replication (H24) are the usual cause")
	}
	return out, nil
}

package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

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

func (s reports) LastVerify(_ context.Context, pair string) (r replication.VerifyReport, ok bool, err error) {
	data, err := os.ReadFile(s.file(pair))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("read the last verify of %s: %w", pair, err)
	}
	return r, true, nil
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

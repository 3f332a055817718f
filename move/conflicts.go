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

// conflictFiles keeps windows and conflict reports in the state folder; it
// implements replication.ConflictStore.
type conflictFiles struct{ *Move }

func (s conflictFiles) window(pair string) string {
	return s.path("conflicts-" + pair + "-window.json")
}

func (s conflictFiles) report(pair string, entered replication.Side) string {
	return s.path("conflicts-" + pair + "-" + string(entered) + ".json")
}

// ConflictWindow implements replication.ConflictStore.
func (s conflictFiles) ConflictWindow(_ context.Context, pair string) (w replication.ConflictWindow, ok bool, err error) {
	ok, err = readState(s.window(pair), &w)
	return w, ok, err
}

// SaveConflictWindow implements replication.ConflictStore.
func (s conflictFiles) SaveConflictWindow(_ context.Context, pair string, w *replication.ConflictWindow) error {
	if w != nil {
		return plan.WriteJSON(s.window(pair), w)
	}
	if err := os.Remove(s.window(pair)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the window of %s: %w", pair, err)
	}
	return nil
}

// ConflictReport implements replication.ConflictStore.
func (s conflictFiles) ConflictReport(_ context.Context, pair string, entered replication.Side) (r replication.ConflictReport, ok bool, err error) {
	ok, err = readState(s.report(pair, entered), &r)
	return r, ok, err
}

// SaveConflictReport implements replication.ConflictStore.
func (s conflictFiles) SaveConflictReport(_ context.Context, r replication.ConflictReport) (where string, err error) {
	where = s.report(r.Pair, r.Entered)
	return where, plan.WriteJSON(where, r)
}

// readState reads a file of the state folder; ok is false when there is none.
func readState(path string, into any) (ok bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return true, nil
}

// conflictReports are the last reports of every pair, cutover before rollback.
func (m *Move) conflictReports(ctx context.Context) ([]replication.ConflictReport, error) {
	var out []replication.ConflictReport
	for _, p := range m.pairs {
		for _, entered := range []replication.Side{replication.Target, replication.Source} {
			r, ok, err := conflictFiles{m}.ConflictReport(ctx, p.Name, entered)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

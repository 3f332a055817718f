package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/conflict"
)

// Conflicts keeps the window of each pair, and a conflict report of each pair and
// direction. It implements conflict.Store.
type Conflicts struct{ *Folder }

func windowFile(pair string) string { return "conflicts-" + pair + "-window.json" }

func conflictsFile(pair string, entered replication.Side) string {
	return "conflicts-" + pair + "-" + string(entered) + ".json"
}

// Window implements conflict.Store.
func (c Conflicts) Window(_ context.Context, pair string) (w conflict.Window, ok bool, err error) {
	ok, err = c.read(windowFile(pair), &w)
	return w, ok, err
}

// SaveWindow implements conflict.Store.
func (c Conflicts) SaveWindow(_ context.Context, pair string, w *conflict.Window) error {
	path := c.Path(windowFile(pair))
	if w != nil {
		return plan.WriteJSON(path, w)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the window of %s: %w", pair, err)
	}
	return nil
}

// Report implements conflict.Store.
func (c Conflicts) Report(_ context.Context, pair string, entered replication.Side) (r conflict.Report, ok bool, err error) {
	ok, err = c.read(conflictsFile(pair, entered), &r)
	return r, ok, err
}

// SaveReport implements conflict.Store.
func (c Conflicts) SaveReport(_ context.Context, r conflict.Report) (where string, err error) {
	where = c.Path(conflictsFile(r.Pair, r.Entered))
	return where, plan.WriteJSON(where, r)
}

// Reports are a pair's last reports, the cutover's before the rollback's.
func (c Conflicts) Reports(ctx context.Context, pair string) ([]conflict.Report, error) {
	var out []conflict.Report
	for _, entered := range []replication.Side{replication.Target, replication.Source} {
		r, ok, err := c.Report(ctx, pair, entered)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, r)
		}
	}
	return out, nil
}

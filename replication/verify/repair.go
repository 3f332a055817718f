package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// Limits of a repair.
const (
	maxRepairs     = 10_000 // rows of one pass
	repairPasses   = 5
	repairTries    = 10  // of rows that change while they are repaired
	repairRows     = 100 // rows of one transaction
	repairLongRows = 10  // the same, for a table with long columns
)

// RepairOptions say how a repair runs.
type RepairOptions struct {
	Options
	// Found is called with what differs, before anything is written; its error ends the
	// repair.
	Found func(Report) error
	// Writes is called with what is about to be written; its error ends the repair. It
	// is called again when the rows have changed and are tried again.
	Writes func(text string) error
}

// RepairReport is what a repair found, wrote and left.
type RepairReport struct {
	Before  Report        `json:"before"`
	Written []RepairedRow `json:"written,omitempty"`
	Left    []Difference  `json:"left,omitempty"` // rows that were not repaired, with the reason
	After   Report        `json:"after"`
}

// RepairedRow is a row that was written.
type RepairedRow struct {
	Object string `json:"object"`
	Key    string `json:"key"`
	What   string `json:"what"` // inserted, replaced, deleted
}

// String is one line for the operator.
func (r RepairedRow) String() string { return r.Object + " key " + r.Key + ": " + r.What }

// Repair verifies a pair, makes the rows that differ on the fenced target equal to the
// source's, and verifies again, until the sides agree or nothing more can be done. It
// writes nothing else, and nothing to the target's binlog: the source has these rows,
// and a reverse link must not bring them there.
//
// It is safe while applications write on the source and a link runs; see
// repairer.write. It does not repair definitions, accounts, tables without a key,
// tables with triggers (which would fire) and tables that keep their rows' history: the
// report has them with the reason.
func Repair(ctx context.Context, pair replication.Pair, opts RepairOptions) (RepairReport, error) {
	opts.From = replication.Source
	var report RepairReport
	if err := requireFenced(ctx, pair.Target); err != nil {
		return report, err
	}
	for pass := 0; ; pass++ {
		v := newVerifier(pair, opts.Options)
		if err := v.run(ctx); err != nil {
			return report, err
		}
		report.After = v.report
		if pass == 0 {
			report.Before = v.report
		}
		if v.report.Clean() || pass == repairPasses {
			return report, nil
		}
		if pass == 0 && opts.Found != nil {
			if err := opts.Found(v.report); err != nil {
				return report, err
			}
		}
		r := &repairer{v: v, opts: opts, report: &report}
		before := len(report.Written)
		if err := r.run(ctx); err != nil {
			return report, fmt.Errorf("repair %s: %w", pair.Name, err)
		}
		if len(report.Written) == before {
			return report, nil
		}
	}
}

// requireFenced returns an error if the target lets applications write. First it completes
// a fence of MySQL of which a killed repair has left read_only alone.
func requireFenced(ctx context.Context, target *replication.Server) error {
	f, err := fence.ReadRunning(ctx, target)
	if err == nil && !f.Closed && !f.Open {
		if err = account.AsAdmin(ctx, target, nil, func(context.Context, *replication.Session) error { return nil }); err == nil {
			f, err = fence.ReadRunning(ctx, target)
		}
	}
	if err != nil {
		return err
	}
	if !f.Closed {
		return report.WithHint(fmt.Errorf("%s is not fenced: what differs there may have been written by an application", target.Name()),
			"repair only before the cutover, while the target is fenced; migrate apply fences it")
	}
	return nil
}

// repairer makes rows of the target equal to the source's.
type repairer struct {
	v      *verifier
	opts   RepairOptions
	conns  workerConns
	report *RepairReport
}

// run repairs the rows that the verifier found.
func (r *repairer) run(ctx context.Context) error {
	conns, err := r.v.openConns(ctx)
	if err != nil {
		return err
	}
	defer conns.close()
	r.conns, r.report.Left = conns, nil
	var rest []rowDifference
	for _, d := range r.v.rows {
		if d.same < settledTries && len(d.table.keyCols) > 0 {
			r.leaveOut([]rowDifference{d}, "not repaired: it changes too often")
			continue
		}
		rest = append(rest, d)
	}
	slices.SortStableFunc(rest, func(a, b rowDifference) int { return cmp.Compare(a.table.Title(), b.table.Title()) })
	for len(rest) > 0 {
		t := rest[0].table
		n := slices.IndexFunc(rest, func(d rowDifference) bool { return d.table != t })
		if n < 0 {
			n = len(rest)
		}
		if err := r.table(ctx, t, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// table repairs rows of one table in batches.
func (r *repairer) table(ctx context.Context, t *tableShape, rows []rowDifference) error {
	why, err := r.whyUnfit(ctx, t)
	if err != nil {
		return err
	}
	if why != "" {
		r.leaveOut(rows, why)
		return nil
	}
	limit := repairRows
	if slices.ContainsFunc(t.Columns, isLong) {
		limit = repairLongRows
	}
	for batch := range slices.Chunk(rows, limit) {
		if err := r.batch(ctx, t, batch); err != nil {
			return err
		}
	}
	return nil
}

// whyUnfit says why a table is not repaired; "" means that it is.
func (r *repairer) whyUnfit(ctx context.Context, t *tableShape) (string, error) {
	switch {
	case len(t.keyCols) == 0:
		return "not repaired: no key tells its rows apart; wipe the table on the target and seed it again", nil
	case t.versioned:
		return "not repaired: the table keeps its rows' history, which a write would add to", nil
	}
	db, err := r.v.to.DB(ctx)
	if err != nil {
		return "", err
	}
	triggers, err := query.Strings(ctx, db, "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ?", t.Schema, t.Name)
	if err != nil {
		return "", r.v.to.Wrap("look for triggers of "+t.Title(), err)
	}
	if len(triggers) > 0 {
		return "not repaired: its trigger " + triggers[0] + " would fire", nil
	}
	if t.dependsOnSession, err = r.dependsOnSession(ctx, t); err != nil {
		return "", err
	}
	if t.dependsOnSession && slices.ContainsFunc(t.keyCols, isTimestamp) {
		return "not repaired: it computes values, which may depend on the time zone, and a time is part of its key", nil
	}
	return "", nil
}

// leaveOut notes rows that are not repaired, with the reason.
func (r *repairer) leaveOut(rows []rowDifference, why string) {
	for _, d := range rows {
		r.report.Left = append(r.report.Left, Difference{Object: d.table.Title(), Key: d.title, What: why})
	}
}

// batch repairs rows of one table in one transaction, again while they change. If the
// server refuses them together, each row is tried alone.
func (r *repairer) batch(ctx context.Context, t *tableShape, rows []rowDifference) error {
	var refused error
	for range repairTries {
		now, err := r.stillDifferent(ctx, t, rows)
		if err != nil || len(now) == 0 {
			return err
		}
		rows = now
		if r.opts.Writes != nil {
			if err := r.opts.Writes(describeRepair(t, rows)); err != nil {
				return err
			}
		}
		err = r.write(ctx, t, rows)
		switch {
		case err == nil:
			for _, d := range rows {
				r.report.Written = append(r.report.Written, RepairedRow{t.Title(), d.title, d.action()})
			}
			return nil
		case errors.Is(err, errMoved):
			refused = err
			continue
		case query.ErrorNumber(err) == 0 && !errors.Is(err, errNotTaken):
			return err
		case query.ErrorNumber(err) == 1213 || query.ErrorNumber(err) == 1205:
			report.Note(ctx, "repair of %s: again after %v", t.Title(), err)
			refused = err
			continue
		}
		if len(rows) == 1 {
			r.leaveOut(rows, "not repaired: "+err.Error())
			return nil
		}
		for i := range rows {
			if err := r.batch(ctx, t, rows[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	r.leaveOut(rows, "not repaired: "+refused.Error())
	return nil
}

// stillDifferent returns the rows that differ although the target has executed all the
// transactions that made the source's rows.
func (r *repairer) stillDifferent(ctx context.Context, t *tableShape, rows []rowDifference) ([]rowDifference, error) {
	condition := t.rowsCondition(rows)
	a, err := r.conns.from.each(ctx, t, condition)
	if err != nil {
		return nil, err
	}
	// Twice: MySQL shows a row a moment before its transaction is in gtid_executed.
	for range 2 {
		if err := wait.For(ctx, rowPause); err != nil {
			return nil, err
		}
		if _, err := r.v.waitCaughtUp(ctx); err != nil {
			return nil, err
		}
	}
	b, err := r.conns.to.each(ctx, t, condition)
	if err != nil {
		return nil, err
	}
	var out []rowDifference
	for _, d := range rows {
		key := strings.Join(d.key, ",")
		d.here, d.there = a[key].hash, b[key].hash
		if d.here != d.there {
			out = append(out, d)
		}
	}
	return out, nil
}

// rowsCondition is the condition that selects rows by key.
func (t *tableShape) rowsCondition(rows []rowDifference) string {
	keys := make([]table.Key, len(rows))
	for i, d := range rows {
		keys[i] = d.key
	}
	return table.OneOf(table.ColumnNames(t.keyCols), keys)
}

// action is what the repair does with the row.
func (d rowDifference) action() string {
	switch {
	case d.there == "":
		return "inserted"
	case d.here == "":
		return "deleted"
	}
	return "replaced"
}

// describeRepair is one line for the operator.
func describeRepair(t *tableShape, rows []rowDifference) string {
	parts := make([]string, len(rows))
	for i, d := range rows {
		parts[i] = "key " + d.title + " is " + d.action()
	}
	return fmt.Sprintf("%s: %s", t.Title(), strings.Join(parts, ", "))
}

// repairTimeout bounds a transaction of a repair: the link's applier may wait for it.
const repairTimeout = 10 * time.Second

package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/wait"
)

// errMoved is a row that changed while it was repaired; nothing was written.
var errMoved = errors.New("the row changes too often")

// lockedWait bounds the wait for the link while rows are locked, which may be
// what the link waits for.
const lockedWait = 2 * time.Second

// repairSettings are those of a session that repairs. No foreign key acts, as in
// the seed; the writes stay out of the binlog; locks are taken on rows, never on
// gaps between them, and not waited for long.
var repairSettings = []string{dialect.Unlogged, "SET SESSION foreign_key_checks = 0, innodb_lock_wait_timeout = 3"}

// write makes rows of the target what they are on the source.
//
// Why it cannot go wrong beside writers on the source and the link's applier,
// for one row, whose content on the source is a and on the target b:
//
//  1. still read a on the source, then waited until the target had executed
//     all that the source had then, then read b, and they differ.
//  2. Here, the target's row is locked before anything is decided, and must
//     still be b: from now on the applier cannot change it, a transaction that
//     touches it waits for our commit. Then the source's row is read again,
//     whole, and must still be a.
//  3. Then, with the lock, the target must reach all that the source has after
//     that. A transaction in between that touches the row would wait for the
//     lock, so the position would not be reached; a missing row cannot be
//     locked, but is looked at again. So none is pending that touches the row
//     and leads to a: what the target has executed, and a, belong together. (It
//     is not enough that the source still shows a: a row deleted and inserted
//     again in the meantime does, too, and its insert would find ours.)
//  4. a is written, read back, compared by hash, and committed. Whatever the
//     applier brings later was made on the source after a, and finds on the
//     target what it found on the source.
//
// Anything else is errMoved: all is rolled back and begins again with 1. kill -9
// at any point ends the transaction unwritten or leaves it committed whole.
//
// One gap is left, and bounded: MySQL shows a row before its transaction is in
// gtid_executed, for as long as it takes to commit the rest of its group. The
// position is therefore waited for twice, 25 ms apart. Were a group slower than
// that and did it insert or delete this very row, the applier would stop with
// error 1062 or 1032, which migrate status shows; no row would be wrong in silence.
//
// All rows are deleted first and then inserted, so that values of unique keys
// may change places among them.
func (r *repairer) write(ctx context.Context, t *verifyTable, rows []rowDifference) error {
	if err := requireFenced(ctx, r.v.to); err != nil {
		return err
	}
	return account.AsAdmin(ctx, r.v.to, []string{dialect.Unlogged}, func(ctx context.Context, _ *replication.Session) error {
		ctx, cancel := context.WithTimeoutCause(ctx, repairTime, errMoved)
		defer cancel()
		w, err := r.v.wire(ctx, r.v.to, repairSettings...)
		if err != nil {
			return err
		}
		defer w.Close()
		w.Pin() // a reconnect in the middle would lose the transaction
		return w.Transaction(ctx, func() error { return r.writeRows(ctx, w, t, rows) })
	})
}

// writeRows is write within its transaction.
func (r *repairer) writeRows(ctx context.Context, w *verifyWire, t *verifyTable, rows []rowDifference) error {
	condition := t.oneOfRows(rows)
	if err := r.lockRows(ctx, w, t, rows, condition); err != nil {
		return err
	}
	whole, err := r.w.from.whole(ctx, t, condition)
	if err != nil {
		return err
	}
	for range 2 {
		if _, missing, err := r.v.await(ctx, lockedWait); err != nil || !missing.IsEmpty() {
			return replication.FirstError(err, errMoved)
		}
		if err := wait.For(ctx, rowPause); err != nil {
			return err
		}
	}
	if err := r.lockRows(ctx, w, t, rows, condition); err != nil {
		return err
	}
	var stale []table.Key
	for _, d := range rows {
		if whole[strings.Join(d.key, ",")].hash != d.here {
			return errMoved
		}
		if d.there != "" {
			stale = append(stale, d.key)
		}
	}
	if len(stale) > 0 {
		if _, err := w.Exec(ctx, "DELETE FROM "+t.Quoted()+" WHERE "+table.OneOf(table.ColumnNames(t.keyCols), stale)); err != nil {
			return fmt.Errorf("delete from %s: %w", t.Title(), err)
		}
	}
	for _, d := range rows {
		if row := whole[strings.Join(d.key, ",")]; row.hash != "" {
			if _, err := w.Exec(ctx, row.insert(t)); err != nil {
				return fmt.Errorf("insert into %s: %w", t.Title(), err)
			}
		}
	}
	return r.check(ctx, w, t, rows, condition)
}

// lockRows locks the target's rows, which must be what they were.
func (r *repairer) lockRows(ctx context.Context, w *verifyWire, t *verifyTable, rows []rowDifference, condition string) error {
	locked, err := w.each(ctx, t, condition+" FOR UPDATE")
	if err != nil {
		return err
	}
	for _, d := range rows {
		if locked[strings.Join(d.key, ",")].hash != d.there {
			return errMoved
		}
	}
	return nil
}

// check reads back what was written, and whether the server is fenced still.
func (r *repairer) check(ctx context.Context, w *verifyWire, t *verifyTable, rows []rowDifference, condition string) error {
	now, err := w.each(ctx, t, condition)
	if err != nil {
		return err
	}
	for _, d := range rows {
		if now[strings.Join(d.key, ",")].hash != d.here {
			return fmt.Errorf("%s key %s: the target does not take the row as it is; nothing was written", t.Title(), d.title)
		}
	}
	fence, err := w.Texts(ctx, "SELECT @@GLOBAL.read_only + 0")
	if err != nil {
		return err
	}
	if len(fence) != 1 || fence[0][0] == "0" {
		return fmt.Errorf("%s was unfenced meanwhile; nothing was written", r.v.to.Name())
	}
	return nil
}

// wholeRow is a row with all that is written of it.
type wholeRow struct {
	hash   string
	values [][]byte // by the table's columns; nil is NULL
}

// whole reads rows with all their columns.
func (w *verifyWire) whole(ctx context.Context, t *verifyTable, condition string) (out map[string]wholeRow, err error) {
	selected := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		selected[i] = c.Selected()
	}
	query := "SELECT " + t.keySelect() + "," + t.rowHash(w.dialect) + "," + strings.Join(selected, ",") + " FROM " + t.Quoted() + " WHERE " + condition
	err = w.read(ctx, t, query, func() { out = map[string]wholeRow{} }, func(row []byte) error {
		var key []string
		var whole wholeRow
		for i := 0; len(row) > 0; i++ {
			value, rest, err := wire.NextValue(row)
			if err != nil {
				return err
			}
			switch n := len(t.keyCols); {
			case i < n:
				key = append(key, t.keyCols[i].WireLiteral(value))
			case i == n:
				whole.hash = string(value)
			case value == nil:
				whole.values = append(whole.values, nil)
			default:
				whole.values = append(whole.values, append([]byte{}, value...))
			}
			row = rest
		}
		out[strings.Join(key, ",")] = whole
		return nil
	})
	return out, err
}

// insert is the statement that makes the row.
func (r wholeRow) insert(t *verifyTable) string {
	out := []byte("INSERT INTO " + t.Quoted() + " (" + query.QuoteList(table.ColumnNames(t.Columns)) + ") VALUES (")
	for i, c := range t.Columns {
		if i > 0 {
			out = append(out, ',')
		}
		out = c.AppendValue(out, r.values[i])
	}
	return string(append(out, ')'))
}

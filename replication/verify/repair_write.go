package verify

import (
	"cmp"
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

// errMoved means that a row changed while it was repaired; nothing was written.
var errMoved = errors.New("the row changes too often")

// lockedWait bounds the wait for the link while rows are locked: the link may wait for
// these locks.
const lockedWait = 2 * time.Second

// repairSettings are the settings of a session that repairs. Foreign keys do not act, as
// in the seed; writes stay out of the binlog; locks are taken on rows, never on the gaps
// between them (openConn reads what is committed), and are not waited for long.
var repairSettings = []string{dialect.Unlogged, dialect.AsIs + ", innodb_lock_wait_timeout = 3"}

// write makes rows of the target equal to the source's.
//
// Why this is safe beside writers on the source and the link's applier, for one row
// with the content a on the source and b on the target:
//
//  1. stillDifferent read a on the source, then waited until the target had executed
//     all that the source had executed by then, then read b; and they differ.
//  2. Here, the target's row is locked before anything is decided, and must still be
//     b. From now on the applier cannot change it: a transaction that touches it waits
//     for this commit. Then the whole row is read again on the source, and must still
//     be a.
//  3. Then, with the lock held, the target must reach all that the source has executed
//     after that. A transaction in between that touches the row would wait for the
//     lock, so the position would not be reached; a missing row cannot be locked, but
//     is read again. So no pending transaction touches the row and leads to a: what
//     the target has executed and a belong together. (It is not enough that the source
//     still shows a: so does a row that was deleted and inserted again in the
//     meantime, and its insert would find the repaired row.)
//  4. a is written, read back, compared by hash, and committed. Whatever the applier
//     brings later was made on the source after a, and finds on the target what it
//     found on the source.
//
// Anything else is errMoved: everything is rolled back and begins again with 1. A kill
// -9 at any point ends the transaction unwritten or leaves it committed as a whole.
//
// One gap is left, and bounded: MySQL shows a row before its transaction is in
// gtid_executed, for as long as it takes to commit the rest of its group. The position
// is therefore waited for twice, 25 ms apart. If a group took longer and inserted or
// deleted this very row, the applier would stop with error 1062 or 1032, which migrate
// status shows; no row would be wrong in silence.
//
// All rows are deleted first and then inserted, so that values of unique keys may change
// places among them.
func (r *repairer) write(ctx context.Context, t *tableShape, rows []rowDifference) error {
	if err := requireFenced(ctx, r.v.to); err != nil {
		return err
	}
	return account.AsAdmin(ctx, r.v.to, []string{dialect.Unlogged}, func(ctx context.Context, _ *replication.Session) error {
		ctx, cancel := context.WithTimeoutCause(ctx, repairTimeout, errMoved)
		defer cancel()
		c, err := r.v.openConn(ctx, r.v.to, repairSettings...)
		if err != nil {
			return err
		}
		defer c.Close()
		c.Pin() // a reconnect in the middle would lose the transaction
		return c.Transaction(ctx, func() error { return r.writeRows(ctx, c, t, rows) })
	})
}

// writeRows is write within its transaction.
func (r *repairer) writeRows(ctx context.Context, c *conn, t *tableShape, rows []rowDifference) error {
	condition := t.rowsCondition(rows)
	if err := r.lockRows(ctx, c, t, rows, condition); err != nil {
		return err
	}
	whole, err := r.conns.from.readWhole(ctx, t, condition)
	if err != nil {
		return err
	}
	for range 2 {
		if _, missing, err := r.v.awaitExecuted(ctx, lockedWait); err != nil || !missing.IsEmpty() {
			return cmp.Or(err, errMoved)
		}
		if err := wait.For(ctx, rowPause); err != nil {
			return err
		}
	}
	if err := r.lockRows(ctx, c, t, rows, condition); err != nil {
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
	err = r.asSource(ctx, c, t, func() error { return replaceRows(ctx, c, t, rows, stale, whole) })
	if err != nil {
		return err
	}
	return r.checkWritten(ctx, c, t, rows, condition)
}

// replaceRows deletes stale rows, and inserts those that the source has.
func replaceRows(ctx context.Context, c *conn, t *tableShape, rows []rowDifference, stale []table.Key, whole map[string]wholeRow) error {
	if len(stale) > 0 {
		if _, err := c.Exec(ctx, "DELETE FROM "+t.Quoted()+" WHERE "+table.OneOf(table.ColumnNames(t.keyCols), stale)); err != nil {
			return fmt.Errorf("delete from %s: %w", t.Title(), err)
		}
	}
	for _, d := range rows {
		row := whole[strings.Join(d.key, ",")]
		if row.hash == "" {
			continue
		}
		statement, err := row.insert(t)
		if err == nil {
			_, err = c.Exec(ctx, statement)
		}
		if err != nil {
			return fmt.Errorf("insert into %s: %w", t.Title(), err)
		}
	}
	return nil
}

// lockRows locks the target's rows, and returns errMoved if they have changed.
func (r *repairer) lockRows(ctx context.Context, c *conn, t *tableShape, rows []rowDifference, condition string) error {
	locked, err := c.each(ctx, t, condition+" FOR UPDATE")
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

// checkWritten reads back what was written, and checks that the server is still fenced.
func (r *repairer) checkWritten(ctx context.Context, c *conn, t *tableShape, rows []rowDifference, condition string) error {
	now, err := c.each(ctx, t, condition)
	if err != nil {
		return err
	}
	for _, d := range rows {
		if now[strings.Join(d.key, ",")].hash != d.here {
			return fmt.Errorf("%s key %s: %w; nothing was written", t.Title(), d.title, errNotTaken)
		}
	}
	fence, err := c.Texts(ctx, "SELECT @@GLOBAL.read_only + 0")
	if err != nil {
		return err
	}
	if len(fence) != 1 || fence[0][0] == "0" {
		return fmt.Errorf("%s was unfenced meanwhile; nothing was written", r.v.to.Name())
	}
	return nil
}

// wholeRow is a row with all the values to write.
type wholeRow struct {
	hash   string
	values [][]byte // by the table's columns; nil is NULL
}

// readWhole reads rows with all their columns, by key.
func (c *conn) readWhole(ctx context.Context, t *tableShape, condition string) (out map[string]wholeRow, err error) {
	selected := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		selected[i] = column.Selected()
	}
	query := "SELECT " + t.keySelect() + "," + t.rowHash(c.dialect) + "," + strings.Join(selected, ",") + " FROM " + t.Quoted() + " WHERE " + condition
	err = c.read(ctx, t, query, func() { out = map[string]wholeRow{} }, func(row []byte) error {
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

// insert is the statement that inserts the row.
func (r wholeRow) insert(t *tableShape) (_ string, err error) {
	out := []byte("INSERT INTO " + t.Quoted() + " (" + query.QuoteList(table.ColumnNames(t.Columns)) + ") VALUES (")
	for i, c := range t.Columns {
		if i > 0 {
			out = append(out, ',')
		}
		if t.dependsOnSession && isTimestamp(c) {
			out = appendInstant(out, r.values[i])
			continue
		}
		if out, err = c.AppendValue(out, r.values[i]); err != nil {
			return "", fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	return string(append(out, ')')), nil
}

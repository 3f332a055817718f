package conflict

import (
	"context"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/statement"
)

// logVisitor turns one server's log into keyChanges, in their order. It collects them in
// small batches, because a server has to compute the collation weights of texts.
type logVisitor struct {
	scan   *scan
	side   int // 0 is the side that was left
	reader *binlog.Reader
	apply  func(keyChange)

	own, other  logProgress
	matched     logProgress // own, at the last transaction that the other log has
	disordered  bool        // the numbers of a server's transactions are not in order
	transaction binlog.Transaction
	inReport    bool // the transaction is counted in the report
	pending     []keyChange
	bytes       int
}

// Begin implements binlog.Visitor: it wants the rows of the server's own transactions.
func (v *logVisitor) Begin(t binlog.Transaction) (wanted bool) {
	v.transaction, v.inReport = t, false
	switch {
	case v.scan.ids[v.side].Wrote(t.ID):
		v.disordered = !v.own.add(t.ID, v.scan.ids[v.side]) || v.disordered
		if v.own.n == v.scan.known {
			v.matched = v.own
		}
		return true
	case v.scan.ids[1-v.side].Wrote(t.ID):
		v.disordered = !v.other.add(t.ID, v.scan.ids[1-v.side]) || v.disordered
	default:
		v.scan.noteUnsure("transaction %s on %s: neither side wrote it first", t.ID, v.reader.Server.Name())
	}
	return false
}

// Statement implements binlog.Visitor: the log does not show what a statement does to
// rows.
func (v *logVisitor) Statement(s statement.Logged) {
	for _, e := range statement.Read(s) {
		if schema, found := v.touched(e); found {
			v.scan.noteUnsure("%s in schema %s by %s on %s: the rows that it wrote are not in the log", e.Verb, schema, v.transaction.ID, v.reader.Server.Name())
			return
		}
	}
}

// touched returns a schema of the scope in which a statement may have changed rows that
// exist, or that it makes without a log.
func (v *logVisitor) touched(e statement.Effect) (schema string, found bool) {
	inScope := func(schema string) bool { return schema == "" || v.scan.inScope(schema) }
	for _, t := range e.Tables {
		if (t.Change != statement.Ensured || e.Fills) && inScope(t.Table.Schema) {
			return t.Table.Schema, true
		}
	}
	for _, s := range e.Schemas {
		if (s.Change == statement.Dropped || s.Change == statement.Renewed) && inScope(s.Schema) {
			return s.Schema, true
		}
	}
	if e.Rows || e.Unknown {
		if inScope(e.Schema) || e.Anything {
			return e.Schema, true
		}
		for _, name := range e.Mentions {
			if len(v.scan.schemas) > 0 && v.scan.inScope(name) {
				return name, true
			}
		}
	}
	return "", false
}

// XA implements binlog.Visitor: what a transaction has written counts from its XA PREPARE
// on, where its rows are.
func (*logVisitor) XA(binlog.XAStep, replication.XID) {}

// Rows implements binlog.Visitor.
func (v *logVisitor) Rows(ctx context.Context, e *logevent.RowsEvent, broken bool) error {
	if !v.scan.inScope(string(e.Table.Schema)) {
		return nil
	}
	t, err := v.scan.table(ctx, e)
	if err != nil {
		return err
	}
	places, ok := t.Places(e)
	if broken || !ok {
		v.scan.noteUnsure("table %s in %s on %s: its rows in the log are not of the table's shape", t.Title, v.transaction.ID, v.reader.Server.Name())
		return nil
	}
	step := 1
	op := map[logevent.EnumRowsEventType]string{
		logevent.EnumRowsEventTypeInsert: "insert", logevent.EnumRowsEventTypeDelete: "delete", logevent.EnumRowsEventTypeUpdate: "update",
	}[e.Type()]
	if op == "update" {
		step = 2
	}
	for i := 0; i+step <= len(e.Rows); i += step {
		v.count()
		if err := v.row(ctx, t, places, op, e, i, i+step-1); err != nil {
			return err
		}
	}
	return nil
}

// count counts a row of the transaction in the first of all passes.
func (v *logVisitor) count() {
	if v.scan.share > 0 {
		return
	}
	side := &v.scan.report.Wrote[v.side]
	side.Rows++
	if !v.inReport {
		v.inReport = true
		side.Transactions++
		side.addTime(v.transaction.At)
	}
}

// row makes the keyChanges of one changed row. before and after are the indexes of its
// images in the event, which are the same except for an update.
func (v *logVisitor) row(ctx context.Context, t *binlog.Table, places []int, op string, e *logevent.RowsEvent, before, after int) error {
	var row [16]byte
	for i, key := range t.Keys {
		old, ok := t.Values(key, places, e.Rows[before], e.SkippedColumns[before])
		now, nowOK := t.Values(key, places, e.Rows[after], e.SkippedColumns[after])
		if !ok || !nowOK {
			v.scan.noteUnsure("table %s in %s on %s: the log lacks columns of its keys", t.Title, v.transaction.ID, v.reader.Server.Name())
			continue
		}
		same := binlog.SameParts(old, now)
		if i == 0 {
			row = hashParts(t.Title, old, false)
		} else if op == "update" && same {
			continue // the unique value was neither taken nor given up
		}
		for k, parts := range [][]binlog.KeyPart{old, now} {
			if k == 1 && same || i > 0 && binlog.HasNull(parts) {
				continue
			}
			if err := v.add(ctx, keyChange{
				by: v.transaction, op: op, table: t, key: key.Name, parts: parts, row: row, nth: v.own.n, seen: v.other.n,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds a change to the batch.
func (v *logVisitor) add(ctx context.Context, change keyChange) error {
	for _, p := range change.parts {
		v.bytes += len(p.Raw)
	}
	v.pending = append(v.pending, change)
	if len(v.pending) < batchChanges && v.bytes < batchBytes {
		return nil
	}
	return v.flush(ctx)
}

// flush applies the changes of the batch, after it has read their collation weights.
func (v *logVisitor) flush(ctx context.Context) error {
	var weigh []*binlog.KeyPart
	for i := range v.pending {
		for k := range v.pending[i].parts {
			if p := &v.pending[i].parts[k]; p.Weighed() {
				weigh = append(weigh, p)
			}
		}
	}
	if err := v.scan.collator.Weigh(ctx, weigh); err != nil {
		return err
	}
	for _, change := range v.pending {
		v.apply(change)
	}
	clear(v.pending)
	v.pending, v.bytes = v.pending[:0], 0
	if v.scan.writesHeld > v.scan.limit {
		return errTooManyKeys
	}
	return nil
}

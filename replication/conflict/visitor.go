package conflict

import (
	"context"
	"strings"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication/binlog"
)

// logVisitor turns one server's log into touches, in its order. They wait in a
// small batch, because texts are weighed by a server.
type logVisitor struct {
	scan   *conflictScan
	side   int // 0: of the side that was left
	reader *binlog.Reader
	apply  func(touch)

	own, other counted
	matched    counted // own, as far as the log that was read before has them
	muddled    bool    // a server's own numbers are not in order
	now        binlog.Transaction
	counted    bool // the transaction at hand is in the report
	waiting    []touch
	bytes      int
}

// Begin implements binlogVisitor: rows are wanted of the server's own transactions.
func (v *logVisitor) Begin(t binlog.Transaction) (wanted bool) {
	v.now, v.counted = t, false
	switch {
	case v.scan.ids[v.side].Wrote(t.ID):
		v.muddled = !v.own.add(t.ID, v.scan.ids[v.side]) || v.muddled
		if v.own.n == v.scan.known {
			v.matched = v.own
		}
		return true
	case v.scan.ids[1-v.side].Wrote(t.ID):
		v.muddled = !v.other.add(t.ID, v.scan.ids[1-v.side]) || v.muddled
	default:
		v.scan.doubt("transaction %s on %s: neither side wrote it first", t.ID, v.reader.Server.Name())
	}
	return false
}

// Statement implements binlogVisitor: what a statement does to rows the log
// cannot tell.
func (v *logVisitor) Statement(schema, text string) {
	word := binlog.FirstWord(text)
	switch word {
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "TRUNCATE":
	case "CREATE", "ALTER", "DROP", "RENAME":
		_, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
		if next := binlog.FirstWord(rest); next == "USER" || next == "ROLE" || next == "SERVER" {
			return
		}
	default:
		return
	}
	if schema == "" || v.scan.moved(schema) {
		v.scan.doubt("%s in schema %s by %s on %s: the rows that it wrote are not in the log", word, schema, v.now.ID, v.reader.Server.Name())
	}
}

// Rows implements binlogVisitor.
func (v *logVisitor) Rows(ctx context.Context, e *logevent.RowsEvent, broken bool) error {
	if !v.scan.moved(string(e.Table.Schema)) {
		return nil
	}
	t, err := v.scan.table(ctx, e)
	if err != nil {
		return err
	}
	places, ok := t.Places(e)
	if broken || !ok {
		v.scan.doubt("table %s in %s on %s: its rows in the log are not of the table's shape", t.Title, v.now.ID, v.reader.Server.Name())
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

// count counts a row of the transaction at hand, once in all passes.
func (v *logVisitor) count() {
	if v.scan.share > 0 {
		return
	}
	side := &v.scan.report.Wrote[v.side]
	side.Rows++
	if !v.counted {
		v.counted = true
		side.Transactions++
		side.saw(v.now.At)
	}
}

// row makes the touches of one changed row; before and after are its images'
// places, the same unless it is an update.
func (v *logVisitor) row(ctx context.Context, t *binlog.Table, places []int, op string, e *logevent.RowsEvent, before, after int) error {
	var row [16]byte
	for i, key := range t.Keys {
		old, ok := t.Values(key, places, e.Rows[before], e.SkippedColumns[before])
		now, nowOK := t.Values(key, places, e.Rows[after], e.SkippedColumns[after])
		if !ok || !nowOK {
			v.scan.doubt("table %s in %s on %s: the log lacks columns of its keys", t.Title, v.now.ID, v.reader.Server.Name())
			continue
		}
		same := binlog.SameParts(old, now)
		if i == 0 {
			row = hashParts(t.Title, old, false)
		} else if op == "update" && same {
			continue // the unique key was neither taken nor given up
		}
		for k, parts := range [][]binlog.KeyPart{old, now} {
			if k == 1 && same || i > 0 && binlog.HasNull(parts) {
				continue
			}
			if err := v.add(ctx, touch{
				by: v.now, op: op, table: t, key: key.Name, parts: parts, row: row, nth: v.own.n, seen: v.other.n,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *logVisitor) add(ctx context.Context, t touch) error {
	for _, p := range t.parts {
		v.bytes += len(p.Raw)
	}
	v.waiting = append(v.waiting, t)
	if len(v.waiting) < touchesAtOnce && v.bytes < touchBytes {
		return nil
	}
	return v.flush(ctx)
}

// flush weighs and applies what waits.
func (v *logVisitor) flush(ctx context.Context) error {
	var weigh []*binlog.KeyPart
	for i := range v.waiting {
		for k := range v.waiting[i].parts {
			if p := &v.waiting[i].parts[k]; p.Weighed() {
				weigh = append(weigh, p)
			}
		}
	}
	if err := v.scan.collator.Weigh(ctx, weigh); err != nil {
		return err
	}
	for _, t := range v.waiting {
		v.apply(t)
	}
	clear(v.waiting)
	v.waiting, v.bytes = v.waiting[:0], 0
	if v.scan.held > v.scan.limit {
		return errTooManyKeys
	}
	return nil
}

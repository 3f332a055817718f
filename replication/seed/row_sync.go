package seed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	logevent "github.com/go-mysql-org/go-mysql/replication"
	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/statement"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

const (
	maxSegmentKeys   = 25_000 // of one segment; two are in memory
	keysPerStatement = 500    // keys of one statement
	preparedKeys     = 100    // keys that are worth a prepared statement
	recordInterval   = 5 * time.Second
)

// workerConns are the two connections of a worker.
type workerConns struct{ from, to *wire.Conn }

func (l workerConns) close() {
	l.from.Close()
	l.to.Close()
}

// rowSync brings the rows up to date that the log names as changed: it reads each again
// from the source by its key and makes the target's row equal, while it reads the next
// segment of the log.
//
// A row is read after its change is visible, so the target gets that state or a later one,
// and a later change is in a later segment of the log. Reading a row twice, or one that
// has not changed, does no harm.
type rowSync struct {
	*changes
	workers  []workerConns
	throttle *throttle.Throttle                               // nil inside the last snapshot, which must not wait
	record   func(context.Context, replication.GTIDSet) error // durably notes the target's position

	ctx        context.Context //nolint:containedctx // the log's reader calls back without one
	goal       replication.GTIDSet
	reached    replication.GTIDSet // the target's position
	pending    []replication.GTID  // transactions that were read since the last segment
	inProgress *pendingSegment     // the previous segment
	recordedAt time.Time
	err        error
}

// pendingSegment is a segment whose rows are being brought up to date.
type pendingSegment struct {
	transactions []replication.GTID // that the target has when it is done
	done         chan error
}

// run reads the log from start to goal, which must be visible, and brings the rows up to
// date.
func (c *rowSync) run(ctx context.Context, r *binlog.Reader, start, goal replication.GTIDSet) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.ctx, c.goal, c.reached, c.recordedAt = ctx, goal, start, time.Now()
	if err = r.Read(ctx, start, goal, c); c.err != nil {
		err = c.err
	}
	if err == nil {
		err = c.startSegment(ctx, nil)
	}
	if err == nil {
		err = c.finishSegment(ctx)
	}
	if err != nil {
		cancel() // a segment that waits for the throttle must not delay the end
		if c.inProgress != nil {
			<-c.inProgress.done //nolint:errcheck // its connections are about to be closed; nothing of it is noted
		}
		return err
	}
	return c.record(ctx, start.Union(goal))
}

// Begin implements binlog.Visitor.
func (c *rowSync) Begin(t binlog.Transaction) (wanted bool) {
	c.prepared, c.current = false, t.ID
	if c.err == nil && c.segmentDone() {
		c.err = c.finishSegment(c.ctx)
	}
	if c.err == nil && (c.isLarge(1) || c.count > 0 && time.Since(c.recordedAt) > recordInterval) {
		if c.err = c.startSegment(c.ctx, c.pending); c.err == nil {
			c.pending, c.recordedAt = nil, time.Now()
		}
	}
	c.pending = append(c.pending, t.ID)
	return c.err == nil
}

// startSegment begins to bring the rows of the segment that was read up to date, after
// those of the previous one. When it is done, the target has the given transactions.
func (c *rowSync) startSegment(ctx context.Context, pending []replication.GTID) error {
	if err := c.finishSegment(ctx); err != nil {
		return err
	}
	p, s := &pendingSegment{pending, make(chan error, 1)}, c.takeSegment()
	c.inProgress = p
	go func() { p.done <- c.syncSegment(ctx, s) }()
	return nil
}

// segmentDone reports whether the rows of a segment are up to date and that is not
// recorded yet.
func (c *rowSync) segmentDone() bool { return c.inProgress != nil && len(c.inProgress.done) > 0 }

// finishSegment waits for the segment in progress, and records its transactions.
func (c *rowSync) finishSegment(ctx context.Context) error {
	p := c.inProgress
	if p == nil {
		return nil
	}
	c.inProgress = nil
	if err := <-p.done; err != nil || p.transactions == nil {
		return err
	}
	return c.recordReached(ctx, p.transactions)
}

// Rows implements binlog.Visitor. It starts a segment in the middle of a transaction that
// is too large for memory: all of the transaction is visible already.
func (c *rowSync) Rows(ctx context.Context, e *logevent.RowsEvent, broken bool) error {
	if c.err != nil {
		return c.err
	}
	c.addEvent(e, broken)
	if c.isLarge(2) {
		return c.startSegment(ctx, nil)
	}
	return nil
}

// Statement implements binlog.Visitor.
func (c *rowSync) Statement(s statement.Logged) {
	c.changes.addStatement(s)
	if c.err == nil {
		c.err = c.statementErr
	}
}

// recordReached records transactions that the target has. It leaves out those that are not
// part of the goal: they may not be visible yet and are read again.
func (c *rowSync) recordReached(ctx context.Context, pending []replication.GTID) error {
	c.reached = c.reached.Union(c.goal.Select(pending))
	return c.record(ctx, c.reached)
}

// keyBatch is a number of keys of one table whose rows are synced in one transaction.
type keyBatch struct {
	table *sourceTable
	keys  []table.Key
}

// syncSegment brings all rows of a segment up to date.
func (c *rowSync) syncSegment(ctx context.Context, s *logSegment) error {
	if err := c.followCascades(ctx, s); err != nil {
		return err
	}
	work := make(chan keyBatch)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(work)
		for t, keys := range s.keys {
			if s.recopied[t.id()] {
				continue
			}
			for chunk := range slices.Chunk(t.sortedKeys(keys), keysPerStatement) {
				select {
				case work <- keyBatch{t, chunk}:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
		return nil
	})
	for _, w := range c.workers {
		group.Go(func() error {
			for b := range work {
				if c.throttle != nil {
					if err := c.throttle.Wait(ctx); err != nil {
						return err
					}
				}
				if err := c.sync(ctx, w, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// sortedKeys returns keys in about the server's order, so that the keys of one statement
// are on few pages.
func (t *sourceTable) sortedKeys(keys map[string]table.Key) []table.Key {
	return slices.SortedFunc(maps.Values(keys), func(a, b table.Key) int {
		for i, c := range t.keyCols {
			order := cmp.Compare(a[i], b[i])
			if strings.HasSuffix(c.Type, "int") {
				order = cmp.Or(cmp.Compare(len(a[i]), len(b[i])), order)
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
}

// sync makes the target's rows of some keys equal to the source's: it replaces the rows
// that the source has and deletes the others. If the rows are too long to be read at once,
// it reads them in halves.
func (c *rowSync) sync(ctx context.Context, w workerConns, b keyBatch) error {
	err := c.syncBatch(ctx, w, b)
	if n := len(b.keys); errors.Is(err, errTimeUp) {
		if err := c.sync(ctx, w, keyBatch{b.table, b.keys[:n/2]}); err != nil {
			return err
		}
		return c.sync(ctx, w, keyBatch{b.table, b.keys[n/2:]})
	}
	if errors.Is(err, schema.ErrTableChanged) {
		return nil // the log will tell what has happened to it
	}
	return report.Wrap("catch up "+b.table.Title(), err)
}

func (c *rowSync) syncBatch(ctx context.Context, w workerConns, b keyBatch) error {
	t := b.table
	columns := table.ColumnNames(t.keyCols)
	where := " WHERE " + table.OneOf(columns, b.keys)
	var there []table.Key
	p := &pump{
		from: w.from, to: w.to, table: t, verb: "REPLACE", manyRows: len(b.keys) >= preparedKeys,
		onKey: func(key table.Key) { there = append(there, key) },
		onRead: func(bytes int64) {
			if c.throttle != nil {
				c.throttle.Count(bytes)
			}
		},
	}
	if len(b.keys) > 1 && !w.from.Pinned() {
		p.limit = readTimeLimit
	}
	return w.to.InTransaction(ctx, "catch up "+t.Title(), func() error {
		there = nil
		gone := where // of this attempt: a retry reads all keys again
		got, err := p.run(ctx, "SELECT "+t.selectList()+" FROM "+t.Quoted()+where)
		switch {
		case err != nil:
			return err
		case got.cutOff:
			return errTimeUp
		case len(there) == len(b.keys): // each key matches at most one row
			return nil
		case len(there) > 0:
			gone += " AND NOT " + table.OneOf(columns, there)
		}
		_, err = w.to.Exec(ctx, "DELETE FROM "+t.Quoted()+gone)
		return err
	})
}

// followCascades finds the rows that the actions of foreign keys have changed, which the
// log does not name. On the target they still refer to the old values, on the source to
// the new ones.
func (c *rowSync) followCascades(ctx context.Context, s *logSegment) error {
	known := map[*sourceTable]map[string]bool{}
	for len(s.references) > 0 {
		todo := s.references
		s.references = map[*sourceTable]map[string]cascadeValue{}
		for child, values := range todo {
			if known[child] == nil {
				known[child] = map[string]bool{}
			}
			var fresh []cascadeValue
			for text, v := range values {
				if !known[child][text] {
					known[child][text] = true
					fresh = append(fresh, v)
				}
			}
			if s.recopied[child.id()] {
				continue
			}
			for chunk := range slices.Chunk(fresh, keysPerStatement) {
				if err := c.addChildren(ctx, s, child, chunk); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// addChildren adds the rows of a child that refer to one of the values, and the rows that
// refer to those.
func (c *rowSync) addChildren(ctx context.Context, s *logSegment, child *sourceTable, values []cascadeValue) error {
	type group struct{ before, after []table.Key }
	groups := map[*cascade]*group{}
	for _, v := range values {
		g := groups[v.cascade]
		if g == nil {
			g = &group{}
			groups[v.cascade] = g
		}
		if v.before != nil {
			g.before = append(g.before, v.before)
		} else {
			g.after = append(g.after, v.after)
		}
	}
	for k, g := range groups {
		for _, side := range []struct {
			w    *wire.Conn
			list []table.Key
		}{{c.workers[0].to, g.before}, {c.workers[0].from, g.after}} {
			if len(side.list) == 0 {
				continue
			}
			if err := s.addChildrenFrom(ctx, child, side.w, " WHERE "+table.OneOf(k.columns, side.list)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *logSegment) addChildrenFrom(ctx context.Context, child *sourceTable, w *wire.Conn, where string) error {
	columns := slices.Clone(child.keyCols)
	for _, k := range child.cascades {
		columns = append(columns, child.columnsNamed(k.parent)...)
	}
	expressions := make([]string, len(columns))
	for i, column := range columns {
		expressions[i] = column.Selected()
	}
	query := fmt.Sprintf("SELECT %s FROM %s%s", strings.Join(expressions, ","), child.Quoted(), where)
	return report.Wrap("read "+child.Title(), w.Query(ctx, query, func(row []byte) error {
		values := make(table.Key, len(columns))
		for i, column := range columns {
			value, rest, err := wire.NextValue(row)
			if err != nil {
				return err
			}
			if row = rest; value != nil {
				values[i] = column.WireLiteral(value)
			}
		}
		c.addKey(child, values[:len(child.keyCols)])
		at := len(child.keyCols)
		for i := range child.cascades {
			k := &child.cascades[i]
			referred := values[at : at+len(k.parent)]
			at += len(k.parent)
			if grandchild, ok := c.table(k.child); ok && grandchild.chunked() && !slices.Contains(referred, "") {
				c.addReference(grandchild, cascadeValue{cascade: k, before: referred})
				c.addReference(grandchild, cascadeValue{cascade: k, after: referred})
			}
		}
		return nil
	}))
}

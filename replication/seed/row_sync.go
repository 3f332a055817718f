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
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/replication/wire"
)

const (
	changesAtOnce = 25_000 // keys of a stretch; there are two
	keysAtOnce    = 500    // of one statement
	manyKeys      = 100    // that are worth a prepared statement
	recordEvery   = 5 * time.Second
)

// lane is a worker's connections.
type lane struct{ from, to *wire.Conn }

func (l lane) close() {
	l.from.Close()
	l.to.Close()
}

// rowSync brings the rows up to date that the log says have changed: it reads
// each again from the source by its key, and makes the target's equal, while it
// reads the log's next stretch.
//
// A row is read after its change is visible, so what is written is its state
// then or a later one; every later change is in a later stretch of the log.
// Reading a row twice, or one that has not changed, is never wrong.
type rowSync struct {
	*changes
	lanes    []lane
	throttle *throttle.Throttle                               // nil inside the last snapshot, which is not to wait
	record   func(context.Context, replication.GTIDSet) error // notes durably how far the target is

	ctx      context.Context //nolint:containedctx // the reader calls back without one
	goal     replication.GTIDSet
	seen     replication.GTIDSet // what the target has
	pending  []binlog.GTID       // transactions that were read since
	flight   *flight             // the stretch before
	recorded time.Time
	err      error
}

// flight is a stretch whose rows are being brought up to date.
type flight struct {
	pending []binlog.GTID // the transactions that the target has in the end
	done    chan error
}

// run reads the log from start to goal, which must be visible, and does what it says.
func (c *rowSync) run(ctx context.Context, r *binlog.Reader, start, goal replication.GTIDSet) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.ctx, c.goal, c.seen, c.recorded = ctx, goal, start, time.Now()
	if err = r.Read(ctx, start, goal, c); c.err != nil {
		err = c.err
	}
	if err == nil {
		err = c.fly(ctx, nil)
	}
	if err == nil {
		err = c.land(ctx)
	}
	if err != nil {
		cancel() // a flight that waits for the throttle is not to be waited for
		if c.flight != nil {
			<-c.flight.done //nolint:errcheck // its connections are to be closed; what it did is not noted
		}
		return err
	}
	return c.record(ctx, start.Union(goal))
}

// Begin implements binlogVisitor.
func (c *rowSync) Begin(t binlog.Transaction) (wanted bool) {
	c.prepared, c.now = false, t.ID
	if c.err == nil && c.landed() {
		c.err = c.land(c.ctx)
	}
	if c.err == nil && (c.many(1) || c.count > 0 && time.Since(c.recorded) > recordEvery) {
		if c.err = c.fly(c.ctx, c.pending); c.err == nil {
			c.pending, c.recorded = nil, time.Now()
		}
	}
	c.pending = append(c.pending, t.ID)
	return c.err == nil
}

// fly lets the rows of what was read be brought up to date, once those of the
// stretch before are; the target then has the transactions that pend.
func (c *rowSync) fly(ctx context.Context, pending []binlog.GTID) error {
	if err := c.land(ctx); err != nil {
		return err
	}
	f, s := &flight{pending, make(chan error, 1)}, c.take()
	c.flight = f
	go func() { f.done <- c.flush(ctx, s) }()
	return nil
}

// landed reports whether a stretch's rows are up to date, and it is not recorded.
func (c *rowSync) landed() bool { return c.flight != nil && len(c.flight.done) > 0 }

// land waits for the stretch whose rows are being brought up to date, and notes it.
func (c *rowSync) land(ctx context.Context) error {
	f := c.flight
	if f == nil {
		return nil
	}
	c.flight = nil
	if err := <-f.done; err != nil || f.pending == nil {
		return err
	}
	return c.recordSeen(ctx, f.pending)
}

// Rows implements binlogVisitor. A transaction larger than memory is dealt with
// in the middle: all of it is visible already.
func (c *rowSync) Rows(ctx context.Context, e *logevent.RowsEvent, broken bool) error {
	if c.err != nil {
		return c.err
	}
	c.event(e, broken)
	if c.many(2) {
		return c.fly(ctx, nil)
	}
	return nil
}

// Statement implements binlogVisitor.
func (c *rowSync) Statement(schema, text string) {
	c.changes.statement(schema, text)
	if c.err == nil {
		c.err = c.stray
	}
}

// recordSeen notes transactions that the target has. Those that are not of the
// goal may not be visible yet: they will be read again.
func (c *rowSync) recordSeen(ctx context.Context, pending []binlog.GTID) error {
	set := replication.GTIDSet{Flavor: c.goal.Flavor, MariaPositions: map[uint32]replication.MariaGTID{}, Intervals: map[string][]replication.Interval{}}
	for _, id := range pending {
		if set.ByDomain() {
			if last, ok := c.goal.MariaPositions[id.Domain]; ok && id.Sequence <= last.Sequence {
				set.MariaPositions[id.Domain] = replication.MariaGTID{Server: id.Server, Sequence: id.Sequence}
			}
			continue
		}
		key, n := id.Origin[:len(id.Origin)-1], int64(id.Sequence)
		if slices.ContainsFunc(c.goal.Intervals[key], func(i replication.Interval) bool { return i.First <= n && n <= i.Last }) {
			set.Intervals[key] = append(set.Intervals[key], replication.Interval{First: n, Last: n})
		}
	}
	for key, list := range set.Intervals {
		set.Intervals[key] = replication.Normalize(list)
	}
	c.seen = c.seen.Union(set)
	return c.record(ctx, c.seen)
}

// batch is keys of one table that are dealt with in one transaction.
type batch struct {
	table *seedTable
	keys  []table.Key
}

// flush brings all rows of a stretch up to date.
func (c *rowSync) flush(ctx context.Context, s *stretch) error {
	if err := c.spread(ctx, s); err != nil {
		return err
	}
	work := make(chan batch)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(work)
		for t, keys := range s.rows {
			if s.anew[t.id()] {
				continue
			}
			for some := range slices.Chunk(t.inOrder(keys), keysAtOnce) {
				select {
				case work <- batch{t, some}:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
		return nil
	})
	for _, l := range c.lanes {
		group.Go(func() error {
			for b := range work {
				if c.throttle != nil {
					if err := c.throttle.Wait(ctx); err != nil {
						return err
					}
				}
				if err := c.sync(ctx, l, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// inOrder sorts keys about as the server has them: neighbours of one statement
// are on few pages.
func (t *seedTable) inOrder(keys map[string]table.Key) []table.Key {
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

// sync makes the target's rows of some keys equal to the source's: those that the
// source has are replaced, the others deleted. Keys whose
// rows are too long to be read at once are read in halves.
func (c *rowSync) sync(ctx context.Context, l lane, b batch) error {
	err := c.syncAtOnce(ctx, l, b)
	if n := len(b.keys); errors.Is(err, errCut) {
		if err := c.sync(ctx, l, batch{b.table, b.keys[:n/2]}); err != nil {
			return err
		}
		return c.sync(ctx, l, batch{b.table, b.keys[n/2:]})
	}
	if errors.Is(err, schema.ErrTableChanged) {
		return nil // the log tells later what has happened to it
	}
	return replication.WrapErr("catch up "+b.table.Title(), err)
}

func (c *rowSync) syncAtOnce(ctx context.Context, l lane, b batch) error {
	t := b.table
	columns := table.ColumnNames(t.keyCols)
	where := " WHERE " + table.OneOf(columns, b.keys)
	var there []table.Key
	p := &pump{
		from: l.from, to: l.to, table: t, verb: "REPLACE", many: len(b.keys) >= manyKeys,
		each: func(key table.Key) { there = append(there, key) },
		took: func(bytes int64) {
			if c.throttle != nil {
				c.throttle.Took(bytes)
			}
		},
	}
	if len(b.keys) > 1 && !l.from.Pinned {
		p.limit = readTime
	}
	return l.to.InTransaction(ctx, "catch up "+t.Title(), func() error {
		there = nil
		gone := where // of this try: another one asks for all keys again
		got, err := p.run(ctx, "SELECT "+t.selectList()+" FROM "+t.Quoted()+where)
		switch {
		case err != nil:
			return err
		case got.cut:
			return errCut
		case len(there) == len(b.keys): // each key finds one row at most
			return nil
		case len(there) > 0:
			gone += " AND NOT " + table.OneOf(columns, there)
		}
		_, err = l.to.Exec(ctx, "DELETE FROM "+t.Quoted()+gone)
		return err
	})
}

// spread follows foreign keys: it finds the rows that their actions have
// changed, which the log does not name. On the target they still refer to what
// was there before; on the source they refer to what is there now.
func (c *rowSync) spread(ctx context.Context, s *stretch) error {
	known := map[*seedTable]map[string]bool{}
	for len(s.values) > 0 {
		todo := s.values
		s.values = map[*seedTable]map[string]cascadeValue{}
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
			if s.anew[child.id()] {
				continue
			}
			for some := range slices.Chunk(fresh, keysAtOnce) {
				if err := c.children(ctx, s, child, some); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// children adds the rows of a child that refer to one of the values, and what
// refers to those.
func (c *rowSync) children(ctx context.Context, s *stretch, child *seedTable, values []cascadeValue) error {
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
		}{{c.lanes[0].to, g.before}, {c.lanes[0].from, g.after}} {
			if len(side.list) == 0 {
				continue
			}
			if err := s.childrenOn(ctx, child, side.w, " WHERE "+table.OneOf(k.columns, side.list)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *stretch) childrenOn(ctx context.Context, child *seedTable, w *wire.Conn, where string) error {
	columns := slices.Clone(child.keyCols)
	for _, k := range child.cascades {
		columns = append(columns, child.columnsNamed(k.parent)...)
	}
	expressions := make([]string, len(columns))
	for i, column := range columns {
		expressions[i] = column.Selected()
	}
	query := fmt.Sprintf("SELECT %s FROM %s%s", strings.Join(expressions, ","), child.Quoted(), where)
	return replication.WrapErr("read "+child.Title(), w.Query(ctx, query, func(row []byte) error {
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
		c.add(child, values[:len(child.keyCols)])
		at := len(child.keyCols)
		for i := range child.cascades {
			k := &child.cascades[i]
			referred := values[at : at+len(k.parent)]
			at += len(k.parent)
			if grandchild, ok := c.table(k.child); ok && grandchild.chunked() && !slices.Contains(referred, "") {
				c.refer(grandchild, cascadeValue{cascade: k, before: referred})
				c.refer(grandchild, cascadeValue{cascade: k, after: referred})
			}
		}
		return nil
	}))
}

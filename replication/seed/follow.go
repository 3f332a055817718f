package seed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// syncSegment brings all rows of a segment up to date: those that the log names and the
// children that refer to values in the log, then the children of rows that have changed on
// the target thereby, until none has, and at last children that were orphaned meanwhile.
func (c *rowSync) syncSegment(ctx context.Context, s *logSegment) error {
	if err := c.waitEnded(ctx, s.ended); err != nil {
		return err
	}
	if err := c.syncReferences(ctx, s); err != nil {
		return err
	}
	return c.syncOrphans(ctx, s)
}

// syncReferences brings the rows of a segment's keys and references up to date, and those
// behind them.
func (c *rowSync) syncReferences(ctx context.Context, s *logSegment) error {
	for {
		lookups := takeLookups(s.references)
		for len(lookups) > 0 || len(s.keys) > 0 {
			var err error
			if lookups, err = c.findChildren(ctx, s, lookups); err != nil {
				return err
			}
			if err := c.syncKeys(ctx, s); err != nil {
				return err
			}
		}
		if len(s.references) == 0 {
			return nil
		}
	}
}

// lookup finds the rows of a child that have one of some values in a foreign key's columns.
type lookup struct {
	child     *sourceTable
	cascade   *cascade
	values    []table.Key
	onSource  bool
	orphansOf *sourceTable // as in reference
	behind    table.Key    // the rows up to this key are found
}

// where is the condition for the rows.
func (l *lookup) where() string {
	where := table.OneOf(l.cascade.columns, l.values)
	if l.orphansOf != nil {
		where += " AND " + l.cascade.isOrphan(l.child, l.orphansOf)
	}
	return where
}

// takeLookups turns references into lookups, and clears them.
func takeLookups(all map[*sourceTable]map[string]reference) []*lookup {
	type kind struct {
		cascade   *cascade
		onSource  bool
		orphansOf *sourceTable
	}
	var out []*lookup
	for child, references := range all {
		values := map[kind][]table.Key{}
		for _, r := range references {
			k := kind{r.cascade, r.onSource, r.orphansOf}
			values[k] = append(values[k], r.value)
		}
		for k, list := range values {
			for chunk := range slices.Chunk(list, keysPerStatement) {
				out = append(out, &lookup{child: child, cascade: k.cascade, values: chunk, onSource: k.onSource, orphansOf: k.orphansOf})
			}
		}
	}
	clear(all)
	return out
}

// findChildren adds the keys of the rows that lookups find, up to a segment's usual size,
// and returns the lookups that are not done.
func (c *rowSync) findChildren(ctx context.Context, s *logSegment, lookups []*lookup) ([]*lookup, error) {
	for len(lookups) > 0 {
		limit := c.segmentKeys - s.numberOfKeys()
		if limit <= 0 {
			break
		}
		l := lookups[0]
		last, err := c.findSome(ctx, s, l, limit)
		if err != nil {
			return nil, err
		}
		if l.behind = last; last == nil {
			lookups = lookups[1:]
		}
	}
	return lookups, nil
}

// findSome adds the next keys that a lookup finds, and returns the last if there may be
// more.
func (c *rowSync) findSome(ctx context.Context, s *logSegment, l *lookup, limit int) (last table.Key, err error) {
	if s.recopied[l.child.id()] {
		return nil, nil
	}
	from := c.workers[0].to
	if l.onSource {
		from = c.workers[0].from
	}
	where := l.where()
	if l.behind != nil {
		where += " AND " + table.Within(l.child.keyCols, l.behind, nil)
	}
	n := 0
	err = l.child.read(ctx, from, l.child.keyCols, fmt.Sprintf("WHERE %s ORDER BY %s LIMIT %d", where, l.child.keyList(), limit), func(key table.Key) {
		s.addKey(l.child, key)
		last = key
		n++
	})
	if errors.Is(err, schema.ErrTableChanged) {
		return nil, nil // the log will tell: it is copied again
	}
	if n < limit {
		last = nil
	}
	return last, err
}

func (s *logSegment) numberOfKeys() (n int) {
	for _, keys := range s.keys {
		n += len(keys)
	}
	return n
}

// keyBatch is a number of keys of one table whose rows are synced in one transaction.
type keyBatch struct {
	table *sourceTable
	keys  []table.Key
}

// syncKeys brings the rows of a segment's keys up to date and removes the keys. It adds
// references to the children of rows that have changed on the target.
func (c *rowSync) syncKeys(ctx context.Context, s *logSegment) error {
	all := s.keys
	s.keys = map[*sourceTable]map[string]table.Key{}
	work := make(chan keyBatch)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(work)
		for t, keys := range all {
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
				if err := c.sync(ctx, w, s, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// sync makes the target's rows of some keys equal to the source's: it replaces the rows
// that the source has and deletes the others. If the rows are too long to be read at once,
// it reads them in halves.
func (c *rowSync) sync(ctx context.Context, w workerConns, s *logSegment, b keyBatch) error {
	changed, err := c.syncBatch(ctx, w, b)
	if n := len(b.keys); errors.Is(err, errTimeUp) {
		if err := c.sync(ctx, w, s, keyBatch{b.table, b.keys[:n/2]}); err != nil {
			return err
		}
		return c.sync(ctx, w, s, keyBatch{b.table, b.keys[n/2:]})
	}
	if errors.Is(err, schema.ErrTableChanged) {
		return nil // the log will tell what has happened to it
	}
	if err == nil && len(changed) > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		s.addChanged(b.table, changed)
	}
	return report.Wrap("catch up "+b.table.Title(), err)
}

func (c *rowSync) syncBatch(ctx context.Context, w workerConns, b keyBatch) (changed []changedRow, err error) {
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
	replace := func() error {
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
	}
	err = w.to.InTransaction(ctx, "catch up "+t.Title(), func() error {
		if len(t.cascades) == 0 || len(t.lookups) == 0 {
			return replace()
		}
		before, err := t.referredValues(ctx, w.to, where)
		if err != nil {
			return err
		}
		if err := replace(); err != nil {
			return err
		}
		after, err := t.referredValues(ctx, w.to, where)
		changed = changedRows(before, after)
		return err
	})
	return changed, err
}

// changedRow are the values to which foreign keys of other tables refer in a row that has
// changed on the target, before and after: by the table's cascades, nil where the row is
// missing or one of them is NULL.
type changedRow struct{ before, after []table.Key }

// referredValues reads the values of rows to which foreign keys of other tables refer, by
// the rows' keys.
func (t *sourceTable) referredValues(ctx context.Context, w *wire.Conn, where string) (map[string][]table.Key, error) {
	columns := slices.Clone(t.keyCols)
	for i := range t.cascades {
		columns = append(columns, t.columnsNamed(t.cascades[i].parent)...)
	}
	out := map[string][]table.Key{}
	return out, t.read(ctx, w, columns, where, func(values table.Key) {
		var referred []table.Key
		at := len(t.keyCols)
		for i := range t.cascades {
			n := len(t.columnsNamed(t.cascades[i].parent))
			value := values[at : at+n]
			if at += n; slices.Contains(value, "") {
				value = nil
			}
			referred = append(referred, value)
		}
		out[strings.Join(values[:len(t.keyCols)], ",")] = referred
	})
}

func changedRows(before, after map[string][]table.Key) (out []changedRow) {
	for key, was := range before {
		now := after[key]
		if !slices.EqualFunc(was, now, slices.Equal[table.Key]) {
			out = append(out, changedRow{was, now})
		}
	}
	for key, now := range after {
		if before[key] == nil {
			out = append(out, changedRow{nil, now})
		}
	}
	return out
}

// addChanged adds references to the children of rows that have changed on the target.
func (s *logSegment) addChanged(t *sourceTable, rows []changedRow) {
	for i := range t.cascades {
		k := &t.cascades[i]
		if len(t.columnsNamed(k.parent)) < len(k.parent) { // a generated column
			s.unread[k.child] = true
			continue
		}
		child, ok := s.table(k.child)
		if !ok || !child.chunked() {
			continue
		}
		for _, r := range rows {
			var was, now table.Key
			if r.before != nil {
				was = r.before[i]
			}
			if r.after != nil {
				now = r.after[i]
			}
			if slices.Equal(was, now) {
				continue
			}
			if was != nil {
				s.addReference(child, reference{cascade: k, value: was})
			}
			if now != nil {
				s.addReference(child, reference{cascade: k, value: now})
				s.addReference(child, reference{cascade: k, value: now, onSource: true})
			}
		}
	}
}

// read reads columns of the rows that a condition selects: their values as literals, NULL
// as "".
func (t *sourceTable) read(ctx context.Context, w *wire.Conn, columns []table.Column, condition string, each func(values table.Key)) error {
	expressions := make([]string, len(columns))
	for i, column := range columns {
		expressions[i] = column.Selected()
	}
	err := w.Query(ctx, "SELECT "+strings.Join(expressions, ",")+" FROM "+t.Quoted()+" "+condition, func(row []byte) error {
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
		each(values)
		return nil
	})
	return report.Wrap("read "+t.Title(), schema.ChangedError(err))
}

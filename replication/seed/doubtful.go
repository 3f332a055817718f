package seed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// compareRows is the number of rows of each side that are compared at a time.
const compareRows = 20_000

// compareDoubtful compares the rows of doubtful tables between both sides, by their keys and
// by the columns that foreign keys may have changed, and brings those that differ up to
// date, with their children. Its price is to read the keys of a table once, however many
// rows have changed.
func (r *run) compareDoubtful(ctx context.Context, c *rowSync) error {
	var compared []string
	todo, seen := table.SortNames(slices.Collect(maps.Keys(r.doubtful))), map[table.Name]bool{}
	for len(todo) > 0 {
		id := todo[0]
		todo = todo[1:]
		t, ok := r.known.get(id)
		if seen[id] || !ok || !t.chunked() || t.sequence || r.dirty[id] {
			continue // it is copied anew, or is not part of the copy
		}
		more, err := c.compare(ctx, t)
		if err != nil {
			return err
		}
		seen[id], todo, compared = true, append(todo, more...), append(compared, t.Title())
	}
	if len(compared) > 0 {
		report.Note(ctx, "foreign keys have changed rows that neither the log of %s nor the copy names: all keys were compared of %s",
			r.Pair.Source.Name(), phrase.FirstOf(5, compared))
	}
	if len(r.doubtful) == 0 {
		return nil
	}
	if err := r.notes.write(ctx, forgetDoubtful); err != nil {
		return err
	}
	clear(r.doubtful)
	return nil
}

// compare compares the rows of a table and brings those that differ up to date. It returns
// the tables that became doubtful thereby.
func (c *rowSync) compare(ctx context.Context, t *sourceTable) (doubtful []table.Name, err error) {
	columns := slices.Clone(t.keyCols)
	for _, lookup := range t.lookups {
		columns = append(columns, t.columnsNamed(lookup)...)
	}
	s := newLogSegment(c.known)
	var behind table.Key
	for {
		there, upper, err := t.readPage(ctx, c, c.workers[0].from, columns, behind, nil)
		if errors.Is(err, schema.ErrTableChanged) {
			return nil, nil // the log will tell
		}
		if err != nil {
			return nil, err
		}
		if err := c.compareRange(ctx, s, t, columns, behind, upper, there); err != nil {
			return nil, err
		}
		if behind = upper; upper == nil {
			err := c.syncSegment(ctx, s)
			return slices.Collect(maps.Keys(s.unread)), err
		}
	}
}

// compareRange adds the keys of the rows of a range that differ. there are the source's
// rows.
func (c *rowSync) compareRange(ctx context.Context, s *logSegment, t *sourceTable, columns []table.Column, behind, upper table.Key, there map[string]table.Key) error {
	for {
		here, last, err := t.readPage(ctx, c, c.workers[0].to, columns, behind, upper)
		if err != nil {
			return err
		}
		for key, values := range here {
			if !slices.Equal(values, there[key]) {
				s.addKey(t, values[:len(t.keyCols)])
			}
			delete(there, key)
		}
		if last == nil {
			break
		}
		behind = last
	}
	for _, values := range there { // rows that the target lacks
		s.addKey(t, values[:len(t.keyCols)])
	}
	if s.numberOfKeys() < c.segmentKeys {
		return nil
	}
	return c.syncSegment(ctx, s)
}

// readPage reads the next rows behind a key, up to a key: the columns by the text of the
// key. last is the last key if there may be more.
func (t *sourceTable) readPage(ctx context.Context, c *rowSync, from *wire.Conn, columns []table.Column, behind, upper table.Key) (rows map[string]table.Key, last table.Key, err error) {
	if c.throttle != nil {
		if err := c.throttle.Wait(ctx); err != nil {
			return nil, nil, err
		}
	}
	rows = map[string]table.Key{}
	condition := fmt.Sprintf("WHERE %s ORDER BY %s LIMIT %d", table.Within(t.keyCols, behind, upper), t.keyList(), compareRows)
	err = t.read(ctx, from, columns, condition, func(values table.Key) {
		last = values[:len(t.keyCols)]
		rows[strings.Join(last, ",")] = values
	})
	if len(rows) < compareRows {
		last = nil
	}
	return rows, last, err
}

// markDoubtful notes tables that are to be compared, before a position is noted behind what
// makes them doubtful.
func (r *run) markDoubtful(ctx context.Context, found map[table.Name]bool) error {
	var statements []string
	for id := range found {
		if !r.doubtful[id] {
			statements = append(statements, doubtfulNote(id))
		}
	}
	if len(statements) == 0 {
		return nil
	}
	if err := r.notes.write(ctx, statements...); err != nil {
		return err
	}
	maps.Copy(r.doubtful, found)
	return nil
}

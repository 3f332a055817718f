package replication

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/report"
)

// complete adds indexes, foreign keys and counters to the tables.
func (r *seedRun) complete(ctx context.Context) error {
	for _, keys := range []bool{false, true} { // foreign keys when every table has its indexes
		err := r.notes.eachMade(ctx, func(list []lateNote) error { return r.addToEach(ctx, list, keys) })
		if err != nil {
			return err
		}
	}
	return r.setCounters(ctx)
}

// addToEach adds the indexes of tables, or their foreign keys, which makes them whole.
func (r *seedRun) addToEach(ctx context.Context, list []lateNote, keys bool) error {
	var whole []tableName
	group, limited := errgroup.WithContext(ctx)
	group.SetLimit(tableMakers)
	for _, note := range list {
		t, ok := r.known.get(note.table)
		if !ok || t.sequence {
			continue
		}
		group.Go(func() error { return r.addLate(limited, t, note.late, keys) })
		if keys {
			whole = append(whole, note.table)
		}
	}
	if err := group.Wait(); err != nil || len(whole) == 0 {
		return err
	}
	return r.notes.note(ctx, wholeNote(whole))
}

// addLate adds what a table lacks of its indexes or of its foreign keys. An
// earlier try may have added them without noting it.
func (r *seedRun) addLate(ctx context.Context, t *seedTable, late []string, keys bool) error {
	late = slices.DeleteFunc(slices.Clone(late), func(d string) bool { return foreignKey.MatchString(d) != keys })
	if len(late) == 0 {
		return nil
	}
	kind, err := r.pair.Target.Dialect(ctx)
	if err != nil {
		return err
	}
	session, err := r.pair.Target.Session(ctx, Unlogged, "SET SESSION foreign_key_checks = 0", kind.SortMemory())
	if err != nil {
		return err
	}
	defer session.Close()
	o, err := readObject(ctx, session, kindTable, t.Schema, t.Name)
	if err != nil {
		return err
	}
	_, there, _, err := splitDefinitions(o.Create)
	if err != nil {
		return fmt.Errorf("read the definition of %s: %w", t.title(), err)
	}
	var add []string
	for _, d := range late {
		if !slices.Contains(there, d) {
			add = append(add, "ADD "+d)
		}
	}
	if len(add) == 0 {
		return nil
	}
	report.Show(ctx, report.Progress{Unit: "keys", Total: int64(len(add)), What: "indexes and keys of " + t.title()})
	err = againAfterDeadlock(ctx, t.title(), func() error {
		_, err := session.ExecContext(ctx, "ALTER TABLE "+t.quoted()+" "+strings.Join(add, ", "))
		return err
	})
	if err != nil {
		return r.pair.Target.wrap("add indexes and keys to "+t.title(), err)
	}
	return nil
}

var counterOption = regexp.MustCompile(` AUTO_INCREMENT=(\d+)`)

// counter is a table's AUTO_INCREMENT as its definition shows it, or 0.
func counter(create string) uint64 {
	at := strings.LastIndex(create, "\n)")
	if at < 0 {
		return 0
	}
	m := counterOption.FindStringSubmatch(create[at:])
	if m == nil {
		return 0
	}
	n, err := strconv.ParseUint(m[1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// setCounters lets AUTO_INCREMENT go on where the source's is.
func (r *seedRun) setCounters(ctx context.Context) error {
	var some []tableName
	for id := range r.known.counting() {
		if some = append(some, id); len(some) < notesAtOnce {
			continue
		}
		if err := r.setCountersOf(ctx, some); err != nil {
			return err
		}
		some = some[:0]
	}
	return r.setCountersOf(ctx, some)
}

func (r *seedRun) setCountersOf(ctx context.Context, ids []tableName) error {
	if len(ids) == 0 {
		return nil
	}
	here, err := counters(ctx, r.pair.Source, ids)
	if err != nil {
		return err
	}
	there, err := counters(ctx, r.pair.Target, ids)
	if err != nil {
		return err
	}
	return r.quietly(ctx, func(session *Session) error {
		for id, n := range here {
			if n <= there[id] {
				continue
			}
			if _, err := session.ExecContext(ctx, "ALTER TABLE "+QuoteTable(id.schema, id.name)+fmt.Sprintf(" AUTO_INCREMENT = %d", n)); err != nil {
				return r.pair.Target.wrap("set the counter of "+id.schema+"."+id.name, err)
			}
		}
		return nil
	})
}

// counters are the AUTO_INCREMENTs of tables that are above 0.
func counters(ctx context.Context, s *Server, ids []tableName) (map[tableName]uint64, error) {
	w, err := openAsker(ctx, s)
	if err != nil {
		return nil, err
	}
	defer w.close()
	queries := make([]string, len(ids))
	for i, id := range ids {
		queries[i] = showCreate(kindTable, id)
	}
	out := map[tableName]uint64{}
	return out, w.ask(ctx, queries, func(i int, rows []record, err error) error {
		if err != nil || len(rows) == 0 {
			return s.wrap("read the counter of "+ids[i].schema+"."+ids[i].name, changedError(firstError(err, errGone)))
		}
		o, err := newObject(kindTable, ids[i], rows[0])
		if n := counter(o.Create); n > 0 {
			out[ids[i]] = n
		}
		return err
	})
}

package seed

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// complete adds the deferred indexes and foreign keys to the tables and sets their
// counters.
func (r *run) complete(ctx context.Context) error {
	for _, keys := range []bool{false, true} { // foreign keys once every table has its indexes
		err := r.notes.eachIncomplete(ctx, func(list []deferredNote) error { return r.addToTables(ctx, list, keys) })
		if err != nil {
			return err
		}
	}
	return r.setCounters(ctx)
}

// addToTables adds the deferred indexes of tables, or their foreign keys, which completes
// them.
func (r *run) addToTables(ctx context.Context, list []deferredNote, keys bool) error {
	var whole []table.Name
	group, limited := errgroup.WithContext(ctx)
	group.SetLimit(tableMakers)
	for _, note := range list {
		t, ok := r.known.get(note.table)
		if !ok || t.sequence {
			continue
		}
		group.Go(func() error { return r.addDeferred(limited, t, note.deferred, keys) })
		if keys {
			whole = append(whole, note.table)
		}
	}
	if err := group.Wait(); err != nil || len(whole) == 0 {
		return err
	}
	return r.notes.write(ctx, completeNote(whole))
}

// addDeferred adds the indexes or the foreign keys that a table still lacks. An earlier
// attempt may have added some without noting it.
func (r *run) addDeferred(ctx context.Context, t *sourceTable, deferred []string, keys bool) error {
	deferred = slices.DeleteFunc(slices.Clone(deferred), func(d string) bool { return schema.IsForeignKey(d) != keys })
	if len(deferred) == 0 {
		return nil
	}
	kind, err := r.Pair.Target.Dialect(ctx)
	if err != nil {
		return err
	}
	session, err := r.Pair.Target.Session(ctx, dialect.Unlogged, dialect.AsIs, kind.AnyForeignKey(), kind.SortMemory(), kind.ExactTexts())
	if err != nil {
		return err
	}
	defer session.Close()
	o, err := schema.ReadObject(ctx, session, schema.KindTable, t.Schema, t.Name)
	if err != nil {
		return err
	}
	_, there, _, err := schema.SplitDefinitions(o.Create)
	if err != nil {
		return fmt.Errorf("read the definition of %s: %w", t.Title(), err)
	}
	var add []string
	for _, d := range deferred {
		if !slices.Contains(there, d) {
			add = append(add, "ADD "+d)
		}
	}
	if len(add) == 0 {
		return nil
	}
	report.Show(ctx, report.Progress{Unit: "keys", Total: int64(len(add)), What: "indexes and keys of " + t.Title()})
	for _, together := range addable(add) {
		err = wire.RetryDeadlock(ctx, t.Title(), func() error {
			_, err := session.ExecContext(ctx, "ALTER TABLE "+t.Quoted()+" "+strings.Join(together, ", "))
			return err
		})
		if err != nil {
			return r.Pair.Target.Wrap("add indexes and keys to "+t.Title(), err)
		}
	}
	return nil
}

// addable cuts a list of additions into those that one statement can make: InnoDB makes one
// FULLTEXT index at a time.
func addable(add []string) (statements [][]string) {
	first := slices.IndexFunc(add, isFulltext)
	if first < 0 {
		return [][]string{add}
	}
	rest := slices.DeleteFunc(slices.Clone(add), isFulltext)
	for _, a := range add {
		if isFulltext(a) {
			statements = append(statements, append(rest, a))
			rest = nil
		}
	}
	return statements
}

func isFulltext(add string) bool { return strings.HasPrefix(add, "ADD FULLTEXT ") }

// recomputeAsSource rebuilds the tables whose computed columns and keys depend on the
// session, as a session of the source computes them that has set nothing. It is the last
// that the seed does to rows: a delete with other settings does not find its entry in an
// index of computed values, and MySQL ends itself.
func (r *run) recomputeAsSource(ctx context.Context) error { return r.recompute(ctx, false) }

// recomputeAsOurs takes back a recomputeAsSource, after which an earlier attempt was
// killed: migrate's sessions are in UTC, where no hour of a change of clocks is ambiguous,
// and have SessionMode.
func (r *run) recomputeAsOurs(ctx context.Context) error { return r.recompute(ctx, true) }

// recompute rebuilds the tables that the source's settings make differ from migrate's.
func (r *run) recompute(ctx context.Context, asOurs bool) error {
	candidates := slices.Collect(r.known.where(func(t *sourceTable) bool {
		return (t.computed.DependsOnZone(t.Columns) || t.computed.Dates) && len(t.history) == 0
	}))
	if len(candidates) == 0 {
		return nil
	}
	source, err := r.Pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	settings, err := replication.ReadComputing(ctx, source)
	if err != nil {
		return r.Pair.Source.Wrap("read its time zone and sql_mode", err)
	}
	session, err := r.Pair.Target.Session(ctx, dialect.Unlogged, dialect.AsIs)
	if err != nil {
		return err
	}
	defer session.Close()
	if !asOurs {
		if _, err := session.ExecContext(ctx, settings.Statement()); err != nil {
			return r.Pair.Target.Wrap(settings.Statement(), err)
		}
	}
	for _, id := range table.SortNames(candidates) {
		t, ok := r.known.get(id)
		if !ok || !(settings.OtherZone && t.computed.DependsOnZone(t.Columns) || settings.OtherDates && t.computed.Dates) {
			continue
		}
		_, err := session.ExecContext(ctx, "ALTER TABLE "+t.Quoted()+" FORCE, ALGORITHM=COPY")
		switch query.ErrorNumber(err) {
		case 1146: // it is made in the snapshot
		case 1067:
			report.Note(ctx, "%s is left as migrate's sessions compute it: a default of it is invalid on %s: %v", t.Title(), r.Pair.Source.Name(), err)
		default:
			if err != nil {
				return r.Pair.Target.Wrap("rebuild "+t.Title(), err)
			}
			report.Note(ctx, "%s was rebuilt: what it computes depends on the time zone and the sql_mode, which are others on %s", t.Title(), r.Pair.Source.Name())
		}
	}
	return nil
}

var counterOption = regexp.MustCompile(` AUTO_INCREMENT=(\d+)`)

// counter returns a table's AUTO_INCREMENT from its definition, or 0.
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

// setCounters raises the target's AUTO_INCREMENT values to the source's.
func (r *run) setCounters(ctx context.Context) error {
	var ids []table.Name
	for id := range r.known.withCounter() {
		if ids = append(ids, id); len(ids) < notesPerPage {
			continue
		}
		if err := r.setCountersOf(ctx, ids); err != nil {
			return err
		}
		ids = ids[:0]
	}
	return r.setCountersOf(ctx, ids)
}

func (r *run) setCountersOf(ctx context.Context, ids []table.Name) error {
	if len(ids) == 0 {
		return nil
	}
	here, err := counters(ctx, r.Pair.Source, ids)
	if err != nil {
		return err
	}
	there, err := counters(ctx, r.Pair.Target, ids)
	if err != nil {
		return err
	}
	return r.Quietly(ctx, func(session *replication.Session) error {
		if _, err := session.ExecContext(ctx, dialect.AsIs); err != nil {
			return r.Pair.Target.Wrap("set the counters", err)
		}
		for id, n := range here {
			if n <= there[id] {
				continue
			}
			if _, err := session.ExecContext(ctx, "ALTER TABLE "+query.QuoteTable(id.Schema, id.Name)+fmt.Sprintf(" AUTO_INCREMENT = %d", n)); err != nil {
				return r.Pair.Target.Wrap("set the counter of "+id.Schema+"."+id.Name, err)
			}
		}
		return nil
	})
}

// counters returns the AUTO_INCREMENT values of tables; those of 0 are left out.
func counters(ctx context.Context, s *replication.Server, ids []table.Name) (map[table.Name]uint64, error) {
	w, err := wire.OpenForQuestions(ctx, s)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	queries := make([]string, len(ids))
	for i, id := range ids {
		queries[i] = schema.ShowCreate(schema.KindTable, id)
	}
	out := map[table.Name]uint64{}
	return out, w.Ask(ctx, queries, func(i int, rows []query.Record, err error) error {
		if err != nil || len(rows) == 0 {
			return s.Wrap("read the counter of "+ids[i].Schema+"."+ids[i].Name, schema.ChangedError(cmp.Or(err, replication.ErrGone)))
		}
		o, err := schema.NewObject(schema.KindTable, ids[i], rows[0])
		if n := counter(o.Create); n > 0 {
			out[ids[i]] = n
		}
		return err
	})
}

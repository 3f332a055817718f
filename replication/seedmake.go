package replication

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// tableMakers is how many connections a side make tables, and complete them.
const tableMakers = 4

// listTables reads the source's tables, and makes on the target those that are
// not there or must be made anew; what the source has not got any more is dropped.
func (r *seedRun) listTables(ctx context.Context) error {
	noted, err := r.notes.read(ctx)
	if err != nil {
		return err
	}
	if err := r.makeSchemas(ctx); err != nil {
		return err
	}
	found, err := listSource(ctx, r.pair.Source, r.schemas)
	if err != nil {
		return err
	}
	if err := r.dropGone(ctx, found.kinds, noted); err != nil {
		return err
	}
	for _, kind := range []string{kindSequence, kindTable} { // a column's default may ask a sequence
		if err := r.takeUp(ctx, found, noted, kind); err != nil {
			return err
		}
	}
	for id, t := range r.tables {
		t.cascades = found.cascades[id]
	}
	clear(r.dirty)
	if noted, err = r.notes.read(ctx); err != nil {
		return err
	}
	r.progress.take(r.tables, noted)
	return nil
}

func (r *seedRun) makeSchemas(ctx context.Context) error {
	source, err := r.pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	statements, err := schemaStatements(ctx, source)
	if err != nil {
		return err
	}
	return r.quietly(ctx, func(session *Session) error {
		for _, schema := range r.schemas {
			statement, ok := statements[schema]
			if !ok {
				return fmt.Errorf("create schema %s: %w", schema, errGone)
			}
			if _, err := session.ExecContext(ctx, statement); err != nil {
				return r.pair.Target.wrap("create schema "+schema, err)
			}
		}
		return nil
	})
}

// sourceTables is which tables a source has, and how foreign keys bind them.
type sourceTables struct {
	kinds    map[tableName]string // kindTable, kindSequence
	cascades map[tableName][]cascade
}

// listSource lists the tables and foreign keys of schemas.
func listSource(ctx context.Context, source *Server, schemas []string) (sourceTables, error) {
	found := sourceTables{map[tableName]string{}, map[tableName][]cascade{}}
	w, err := source.asker(ctx)
	if err != nil {
		return found, err
	}
	defer w.close()
	var queries []string
	for _, schema := range schemas {
		queries = append(queries, `SELECT TABLE_NAME AS name, TABLE_TYPE AS kind FROM information_schema.TABLES
			WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') AND TABLE_SCHEMA = `+literal(schema), cascadesOf(schema))
	}
	return found, w.ask(ctx, queries, func(i int, rows []record, err error) error {
		schema := schemas[i/2]
		switch {
		case err != nil:
			return source.wrap("list the tables of "+schema, err)
		case i%2 == 0:
			for _, t := range rows {
				if o := (object{Schema: schema, Name: t["name"]}); !o.isSeedTable() {
					found.kinds[tableName{schema, t["name"]}] = tableKinds[t["kind"]]
				}
			}
		default:
			found.bind(rows)
		}
		return nil
	})
}

// dropGone drops what the seed has made and the source has not got any more.
func (r *seedRun) dropGone(ctx context.Context, there map[tableName]string, noted map[tableName]*tableNote) error {
	for id := range noted {
		if _, ok := there[id]; ok {
			continue
		}
		if err := r.dropTable(ctx, id); err != nil {
			return err
		}
		if err := r.notes.note(ctx, forgetTable(id), forgetParts(id)); err != nil {
			return err
		}
	}
	for id := range r.tables {
		if _, ok := there[id]; !ok {
			delete(r.tables, id)
		}
	}
	return nil
}

func (r *seedRun) dropTable(ctx context.Context, id tableName) error {
	return r.quietly(ctx, func(session *Session) error {
		statements := []string{"SET SESSION foreign_key_checks = 0", "DROP TABLE IF EXISTS " + QuoteTable(id.schema, id.name)}
		for _, statement := range statements {
			if _, err := session.ExecContext(ctx, statement); err != nil {
				return r.pair.Target.wrap("drop table "+id.schema+"."+id.name, err)
			}
		}
		return nil
	})
}

// takeUp reads the tables of a kind and makes those that are not made.
func (r *seedRun) takeUp(ctx context.Context, found sourceTables, noted map[tableName]*tableNote, kind string) error {
	stale := func(id tableName) bool {
		note := noted[id]
		return note == nil || note.phase == phaseNew || note.phase == phaseLoose || r.dirty[id]
	}
	dialect, err := r.pair.Source.Dialect(ctx)
	if err != nil {
		return err
	}
	var wanted []tableName
	for id, is := range found.kinds {
		if is == kind && (r.tables[id] == nil || stale(id)) {
			wanted = append(wanted, id)
		}
	}
	lookups, alike := found.lookups(), alikeTables{}
	slices.SortFunc(wanted, func(a, b tableName) int { return cmp.Or(cmp.Compare(a.schema, b.schema), cmp.Compare(a.name, b.name)) })
	var mu sync.Mutex
	var taken []*seedTable
	err = r.inBatches(ctx, wanted, func(ctx context.Context, from *wire, c *creator, ids []tableName) error {
		var tables, make []*seedTable
		err := readSeedTables(ctx, from, dialect, ids, kind, func(t *seedTable) error {
			t.lookups = lookups[t.id()]
			if note := noted[t.id()]; note != nil && note.phase == phaseLoose {
				t.keyName, t.keyCols, t.keyAt = "", nil, nil
			}
			tables = append(tables, t)
			if stale(t.id()) && (t.chunked() || t.sequence) {
				make = append(make, t)
			}
			return nil
		})
		if err == nil {
			err = r.makeTables(ctx, c, make, noted)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, t := range tables {
			alike.share(t)
			taken = append(taken, t)
		}
		return err
	})
	for _, t := range taken {
		r.tables[t.id()] = t
	}
	return err
}

// mostBatch is how many tables are read at a time, in one or two round trips.
const mostBatch = 25

// inBatches hands tables to a few makers, some at a time; each has a connection
// that asks the source, and one that makes on the target.
func (r *seedRun) inBatches(ctx context.Context, ids []tableName, do func(context.Context, *wire, *creator, []tableName) error) error {
	if len(ids) == 0 {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan []tableName)
	group.Go(func() error {
		defer close(batches)
		for batch := range slices.Chunk(ids, min(mostBatch, len(ids)/(4*tableMakers)+1)) {
			select {
			case batches <- batch:
			case <-ctx.Done():
				return nil // a maker says why
			}
		}
		return nil
	})
	for range min(tableMakers, len(ids)) {
		group.Go(func() error {
			from, err := r.pair.Source.asker(ctx)
			if err != nil {
				return err
			}
			defer from.close()
			c, err := newCreator(ctx, r.pair.Source, r.pair.Target)
			if err != nil {
				return err
			}
			defer c.close()
			for batch := range batches {
				if err := do(ctx, from, c, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// makeTables makes tables and notes them: those that are new before, so that
// what a crash leaves of them is known, and all when they stand.
func (r *seedRun) makeTables(ctx context.Context, c *creator, tables []*seedTable, noted map[tableName]*tableNote) error {
	var begun, made []string
	for _, t := range tables {
		if noted[t.id()] == nil {
			begun = append(begun, phaseNote(t.id(), phaseNew, nil))
		}
	}
	if err := inOneTransaction(ctx, c.session, begun); err != nil {
		return wrapErr("note which tables are to be made", err)
	}
	for _, t := range tables {
		statements, err := r.makeTable(ctx, c, t)
		if err != nil {
			return err
		}
		made = append(made, statements...)
	}
	return wrapErr("note which tables are made", inOneTransaction(ctx, c.session, made))
}

// makeTable makes a table on the target, without what is cheaper to make later,
// and returns the statements that note it: one that is not noted is made anew.
func (r *seedRun) makeTable(ctx context.Context, c *creator, t *seedTable) (notes []string, err error) {
	if err := c.exec(ctx, "DROP TABLE IF EXISTS "+t.quoted()); err != nil {
		return nil, r.pair.Target.wrap("drop table "+t.title(), err)
	}
	o := t.object
	var late []string
	if !t.sequence {
		made, err := bare(t, t.lookups)
		if err != nil {
			return nil, err
		}
		o.Create, late = made.create, made.late
	}
	if err := c.create(ctx, o); err != nil {
		return nil, err
	}
	notes = []string{phaseNote(t.id(), phaseMade, late), forgetParts(t.id())}
	if t.chunked() {
		notes = append(notes, (&keyRange{table: t}).partNote())
	}
	return notes, nil
}

// copySnapshot copies from the snapshot what cannot be copied in chunks, and
// the sequences' states.
func (r *seedRun) copySnapshot(ctx context.Context, l lane) error {
	c, err := newCreator(ctx, r.pair.Source, r.pair.Target)
	if err != nil {
		return err
	}
	defer c.close()
	for _, t := range r.tables {
		if t.sequence {
			if err := c.copySequence(ctx, l.from, t.object); err != nil {
				return err
			}
		}
		if t.sequence || t.chunked() {
			continue
		}
		noted, err := r.makeTable(ctx, c, t)
		if err == nil {
			err = inOneTransaction(ctx, c.session, noted)
		}
		if err != nil {
			return err
		}
		as, query := t.whole()
		p := &pump{from: l.from, to: l.to, table: as, verb: "INSERT", many: t.Bytes >= r.options.prepareFrom, wait: r.throttle.wait, took: func(bytes int64) {
			r.throttle.took(bytes)
			r.progress.add(t.id(), 0, bytes)
		}}
		var got pumped
		err = l.to.transaction(ctx, func() error {
			if len(t.history) > 0 {
				if _, err := l.to.exec(ctx, "SET SESSION system_versioning_insert_history = 1"); err != nil {
					return err
				}
			}
			var err error
			got, err = p.run(ctx, query)
			return err
		})
		if err != nil {
			return err
		}
		r.progress.add(t.id(), got.rows, 0)
		r.progress.finished(t.id())
	}
	return nil
}

package replication

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// tableMakers is how many tables are made, and completed, at a time.
const tableMakers = 4

// listTables reads the source's tables, and makes on the target those that are
// not there or must be made anew; what the source has not got any more is dropped.
func (r *seedRun) listTables(ctx context.Context) error {
	source, err := r.pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	noted, err := r.notes.read(ctx)
	if err != nil {
		return err
	}
	there := map[tableName]string{}
	cascades, lookups := map[tableName][]cascade{}, map[tableName][][]string{}
	for _, schema := range r.schemas {
		if err := r.makeSchema(ctx, schema); err != nil {
			return err
		}
		records, err := queryRecords(ctx, source, `SELECT TABLE_NAME AS name, TABLE_TYPE AS kind FROM information_schema.TABLES
			WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')`, schema)
		if err != nil {
			return r.pair.Source.wrap("list tables", err)
		}
		for _, t := range records {
			if o := (object{Schema: schema, Name: t["name"]}); !o.isSeedTable() {
				there[tableName{schema, t["name"]}] = t["kind"]
			}
		}
		found, err := readCascades(ctx, source, schema)
		if err != nil {
			return err
		}
		for parent, list := range found {
			cascades[parent] = append(cascades[parent], list...)
			for _, k := range list {
				lookups[k.child] = append(lookups[k.child], k.columns)
			}
		}
	}
	if err := r.dropGone(ctx, there, noted); err != nil {
		return err
	}
	sequences := func(id tableName) bool { return there[id] == "SEQUENCE" }
	for _, wanted := range []bool{true, false} { // a column's default may ask a sequence
		if err := r.takeUp(ctx, there, noted, func(id tableName) bool { return sequences(id) == wanted }, lookups); err != nil {
			return err
		}
	}
	for id, t := range r.tables {
		t.cascades = cascades[id]
	}
	clear(r.dirty)
	if noted, err = r.notes.read(ctx); err != nil {
		return err
	}
	r.progress.take(r.tables, noted)
	return nil
}

func (r *seedRun) makeSchema(ctx context.Context, schema string) error {
	source, err := r.pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	statement, err := createSchema(ctx, source, schema)
	if err != nil {
		return err
	}
	return r.quietly(ctx, func(session *Session) error {
		_, err := session.ExecContext(ctx, statement)
		return wrapErr("create schema "+schema, err)
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

// takeUp reads the tables that want says and makes those that are not made.
func (r *seedRun) takeUp(ctx context.Context, there map[tableName]string, noted map[tableName]*tableNote, want func(tableName) bool, lookups map[tableName][][]string) error {
	source, dialect, err := r.pair.Source.Open(ctx)
	if err != nil {
		return err
	}
	makers := make(chan *creator, tableMakers)
	for range tableMakers {
		c, err := newCreator(ctx, r.pair.Source, r.pair.Target)
		if err != nil {
			return err
		}
		defer c.close()
		makers <- c
	}
	var mu sync.Mutex
	var taken []*seedTable
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(tableMakers)
	for id := range there {
		note := noted[id]
		stale := note == nil || note.phase == phaseNew || note.phase == phaseLoose || r.dirty[id]
		if !want(id) || r.tables[id] != nil && !stale {
			continue
		}
		group.Go(func() error {
			t, ok, err := readSeedTable(ctx, source, dialect, id.schema, id.name)
			if err != nil || !ok {
				return changedOrGone(err)
			}
			t.lookups = lookups[id]
			if note != nil && note.phase == phaseLoose {
				t.keyName, t.keyCols, t.keyAt = "", nil, nil
			}
			if stale && (t.chunked() || t.sequence) {
				c := <-makers
				err := r.makeTable(ctx, c, t)
				makers <- c
				if err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			taken = append(taken, t)
			return nil
		})
	}
	err = group.Wait()
	for _, t := range taken {
		r.tables[t.id()] = t
	}
	return err
}

// changedOrGone makes of a table that went away between two looks one that has changed.
func changedOrGone(err error) error {
	if err == nil {
		return nil // it is not listed the next time
	}
	return changedError(err)
}

// makeTable makes a table on the target, without what is cheaper to make later.
// It is noted when it stands: one that is not noted is made anew.
func (r *seedRun) makeTable(ctx context.Context, c *creator, t *seedTable) error {
	if err := c.exec(ctx, "DROP TABLE IF EXISTS "+t.quoted()); err != nil {
		return r.pair.Target.wrap("drop table "+t.title(), err)
	}
	o := t.object
	var late []string
	if !t.sequence {
		made, err := bare(t, t.lookups)
		if err != nil {
			return err
		}
		o.Create, late = made.create, made.late
	}
	if err := c.create(ctx, o); err != nil {
		return err
	}
	statements := []string{phaseNote(t.id(), phaseMade, late), forgetParts(t.id())}
	if t.chunked() {
		statements = append(statements, (&keyRange{table: t}).partNote())
	}
	return wrapErr("note that "+t.title()+" is made", inOneTransaction(ctx, c.session, statements))
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
		if err := r.makeTable(ctx, c, t); err != nil {
			return err
		}
		as, query := t.whole()
		p := &pump{from: l.from, to: l.to, table: as, verb: "INSERT", many: t.Bytes >= r.options.prepareFrom, wait: r.throttle.wait, took: func(bytes int64) {
			r.throttle.took(bytes)
			r.progress.add(t.id(), 0, bytes)
		}}
		var got pumped
		err := l.to.transaction(ctx, func() error {
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

package seed

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
)

// tableMakers is how many connections a side make tables, and complete them.
const tableMakers = 4

// copyTables takes up the source's tables and copies their rows, wave by wave.
func (r *seedRun) copyTables(ctx context.Context) error {
	return r.eachTaken(ctx, func(ctx context.Context, t taken) error {
		r.progress.enter("copies")
		defer r.progress.enter("tables")
		return r.copyRanges(ctx, t)
	})
}

// taken is a wave whose tables stand on the target, and what the notes say of them.
type taken struct {
	tables map[table.Name]*seedTable // those that were read now, or are not copied yet
	noted  map[table.Name]*tableNote
}

// eachTaken makes on the target the tables that are not there or must be made
// anew, wave by wave, and hands over each. What the source has not got any more is dropped.
func (r *seedRun) eachTaken(ctx context.Context, do func(context.Context, taken) error) error {
	r.progress.enter("tables")
	if err := r.makeSchemas(ctx); err != nil {
		return err
	}
	bonds, err := r.readBonds(ctx)
	if err != nil {
		return err
	}
	r.known.cascades = bonds.cascades
	waves, err := schema.NewBatches(ctx, r.Pair.Source, r.schemas, r.Options.waveTables)
	if err != nil {
		return err
	}
	if r.sizes == nil { // once: it makes the server open every table
		if r.sizes, err = schema.SchemaSizes(ctx, r.Pair.Source, r.schemas); err != nil {
			return err
		}
	}
	waves.Sizes = r.sizes
	stale := maps.Clone(r.dirty)
	if bonds.sequences { // before any table: a column's default may ask one of another schema
		err := waves.Each(ctx, func(w schema.Batch) error {
			_, err := r.takeUp(ctx, w, schema.KindSequence, bonds, stale)
			return err
		})
		if err != nil {
			return err
		}
	}
	clear(r.dirty)
	var all schema.BatchSize
	for _, size := range r.sizes {
		all = all.Plus(size)
	}
	r.progress.expect(all)
	err = waves.Each(ctx, func(w schema.Batch) error {
		var t taken
		var err error
		if t.tables, err = r.takeUp(ctx, w, schema.KindTable, bonds, stale); err != nil {
			return err
		}
		if t.noted, err = r.notes.read(ctx, w); err != nil {
			return err
		}
		maps.DeleteFunc(t.noted, func(id table.Name, _ *tableNote) bool { return w.Kinds[id] != schema.KindTable })
		for id, note := range t.noted {
			if known, ok := r.known.get(id); ok && t.tables[id] == nil && len(note.parts) > 0 {
				t.tables[id] = known // an earlier pass has read it
			}
		}
		r.progress.take(w.Size, t.tables, t.noted)
		return do(ctx, t)
	})
	if err == nil {
		r.progress.expectNoMore()
	}
	return err
}

func (r *seedRun) makeSchemas(ctx context.Context) error {
	source, err := r.Pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	statements, err := schema.SchemaStatements(ctx, source)
	if err != nil {
		return err
	}
	return r.Quietly(ctx, func(session *replication.Session) error {
		for _, schema := range r.schemas {
			statement, ok := statements[schema]
			if !ok {
				return fmt.Errorf("create schema %s: %w", schema, replication.ErrGone)
			}
			if _, err := session.ExecContext(ctx, statement); err != nil {
				return r.Pair.Target.Wrap("create schema "+schema, err)
			}
		}
		return nil
	})
}

// dropGone drops what the seed has made and the source has not got any more.
func (r *seedRun) dropGone(ctx context.Context, w schema.Batch, noted map[table.Name]*tableNote) error {
	for id := range noted {
		if _, ok := w.Kinds[id]; ok {
			continue
		}
		if err := r.dropTable(ctx, id); err != nil {
			return err
		}
		if err := r.notes.note(ctx, forgetTable(id), forgetParts(id)); err != nil {
			return err
		}
	}
	for _, schema := range w.Schemas {
		for _, id := range slices.Collect(r.known.of(schema)) {
			if _, ok := w.Kinds[id]; !ok && w.Covers(id.Name) {
				r.known.drop(id)
			}
		}
	}
	return nil
}

func (r *seedRun) dropTable(ctx context.Context, id table.Name) error {
	return r.Quietly(ctx, func(session *replication.Session) error {
		statements := []string{"SET SESSION foreign_key_checks = 0", "DROP TABLE IF EXISTS " + query.QuoteTable(id.Schema, id.Name)}
		for _, statement := range statements {
			if _, err := session.ExecContext(ctx, statement); err != nil {
				return r.Pair.Target.Wrap("drop table "+id.Schema+"."+id.Name, err)
			}
		}
		return nil
	})
}

// takeUp reads the tables of a kind in a wave that are not known, or are to be
// made anew, makes those that are not made, and returns what it has read.
func (r *seedRun) takeUp(ctx context.Context, w schema.Batch, kind string, bonds bonds, dirty map[table.Name]bool) (map[table.Name]*seedTable, error) {
	noted, err := r.notes.read(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := r.dropGone(ctx, w, noted); err != nil {
		return nil, err
	}
	dialect, err := r.Pair.Source.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	stale := func(id table.Name) bool {
		note := noted[id]
		return note == nil || note.phase == phaseNew || note.phase == phaseLoose || dirty[id]
	}
	var wanted []table.Name
	for id, is := range w.Kinds {
		if is == kind && (!r.known.has(id) || stale(id)) {
			wanted = append(wanted, id)
		}
	}
	var mu sync.Mutex
	read := map[table.Name]*seedTable{}
	err = r.inBatches(ctx, table.SortedIDs(wanted), func(ctx context.Context, from *wire.Conn, c *schema.Creator, ids []table.Name) error {
		var tables, make []*seedTable
		err := readSeedTables(ctx, from, dialect, ids, kind, func(t *seedTable) error {
			t.lookups = bonds.lookups[t.id()]
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
			if t.chunked() && !t.sequence {
				t.object.Create = "" // it is not made again
			}
			r.known.put(t)
			read[t.id()] = t
		}
		return err
	})
	return read, err
}

// mostBatch is how many tables are read at a time, in one or two round trips.
const mostBatch = 25

// inBatches hands tables to a few makers, some at a time; each has a connection
// that asks the source, and one that makes on the target.
func (r *seedRun) inBatches(ctx context.Context, ids []table.Name, do func(context.Context, *wire.Conn, *schema.Creator, []table.Name) error) error {
	if len(ids) == 0 {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan []table.Name)
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
			from, err := wire.OpenForQuestions(ctx, r.Pair.Source)
			if err != nil {
				return err
			}
			defer from.Close()
			c, err := schema.NewCreator(ctx, r.Pair.Source, r.Pair.Target)
			if err != nil {
				return err
			}
			defer c.Close()
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
func (r *seedRun) makeTables(ctx context.Context, c *schema.Creator, tables []*seedTable, noted map[table.Name]*tableNote) error {
	var begun, made []string
	for _, t := range tables {
		if noted[t.id()] == nil {
			begun = append(begun, phaseNote(t.id(), phaseNew, nil))
		}
	}
	if err := inOneTransaction(ctx, c.Session, begun); err != nil {
		return replication.WrapErr("note which tables are to be made", err)
	}
	for _, t := range tables {
		statements, err := r.makeTable(ctx, c, t)
		if err != nil {
			return err
		}
		made = append(made, statements...)
	}
	return replication.WrapErr("note which tables are made", inOneTransaction(ctx, c.Session, made))
}

// makeTable makes a table on the target, without what is cheaper to make later,
// and returns the statements that note it: one that is not noted is made anew.
func (r *seedRun) makeTable(ctx context.Context, c *schema.Creator, t *seedTable) (notes []string, err error) {
	if err := c.Exec(ctx, "DROP TABLE IF EXISTS "+t.Quoted()); err != nil {
		return nil, r.Pair.Target.Wrap("drop table "+t.Title(), err)
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
	if err := c.Create(ctx, o); err != nil {
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
	c, err := schema.NewCreator(ctx, r.Pair.Source, r.Pair.Target)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, t := range r.known.whole {
		if t.sequence {
			if err := c.CopySequence(ctx, l.from, t.object); err != nil {
				return err
			}
		}
		if t.sequence || t.chunked() {
			continue
		}
		noted, err := r.makeTable(ctx, c, t)
		if err == nil {
			err = inOneTransaction(ctx, c.Session, noted)
		}
		if err != nil {
			return err
		}
		as, query := t.whole()
		p := &pump{from: l.from, to: l.to, table: as, verb: "INSERT", many: t.Bytes >= r.Options.prepareFrom, wait: r.throttle.Wait, took: func(bytes int64) {
			r.throttle.Took(bytes)
			r.progress.Add(t.id(), 0, bytes)
		}}
		var got pumped
		err = l.to.Transaction(ctx, func() error {
			if len(t.history) > 0 {
				if _, err := l.to.Exec(ctx, "SET SESSION system_versioning_insert_history = 1"); err != nil {
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
		r.progress.Add(t.id(), got.rows, 0)
		r.progress.finished(t.id())
	}
	return nil
}

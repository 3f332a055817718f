package seed

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// tableMakers is the number of connections to each side that make and complete tables.
const tableMakers = 4

// copyTables makes the source's tables on the target and copies their rows, batch by
// batch.
func (r *run) copyTables(ctx context.Context) error {
	return r.eachBatch(ctx, func(ctx context.Context, b tableBatch) error {
		r.progress.SetPhase("copies")
		defer r.progress.SetPhase("tables")
		return r.copyRanges(ctx, b)
	})
}

// tableBatch is a batch whose tables exist on the target, with their notes.
type tableBatch struct {
	tables map[table.Name]*sourceTable // that were read now, or are not copied yet
	noted  map[table.Name]*tableNote
}

// eachBatch makes the missing and stale tables on the target, batch by batch, and calls do
// for each batch. It drops tables that no longer exist on the source.
func (r *run) eachBatch(ctx context.Context, do func(context.Context, tableBatch) error) error {
	r.progress.SetPhase("tables")
	if err := r.makeSchemas(ctx); err != nil {
		return err
	}
	deps, err := r.readDependencies(ctx)
	if err != nil {
		return err
	}
	r.known.cascades, r.known.lookups = deps.cascades, deps.lookups
	batches, err := schema.NewBatches(ctx, r.Pair.Source, r.schemas, r.Options.batchTables)
	if err != nil {
		return err
	}
	if r.sizes == nil { // once: it makes the server open every table
		if r.sizes, err = schema.Sizes(ctx, r.Pair.Source, r.schemas); err != nil {
			return err
		}
	}
	batches.SetSizes(r.sizes)
	stale := maps.Clone(r.dirty)
	if deps.sequences { // before any table, because a column's default may use a sequence of another schema
		err := batches.Each(ctx, func(b schema.Batch) error {
			_, err := r.prepareTables(ctx, b, schema.KindSequence, deps, stale)
			return err
		})
		if err != nil {
			return err
		}
	}
	clear(r.dirty)
	var all schema.Size
	for _, size := range r.sizes {
		all = all.Plus(size)
	}
	r.progress.Start(all)
	err = batches.Each(ctx, func(b schema.Batch) error {
		var batch tableBatch
		var err error
		if batch.tables, err = r.prepareTables(ctx, b, schema.KindTable, deps, stale); err != nil {
			return err
		}
		if batch.noted, err = r.notes.read(ctx, b); err != nil {
			return err
		}
		maps.DeleteFunc(batch.noted, func(id table.Name, _ *tableNote) bool { return b.Kinds[id] != schema.KindTable })
		for id, note := range batch.noted {
			if known, ok := r.known.get(id); ok && batch.tables[id] == nil && len(note.parts) > 0 {
				batch.tables[id] = known // an earlier pass has read it
			}
		}
		r.countBatch(batch, b.Size)
		return do(ctx, batch)
	})
	if err == nil {
		r.progress.EndBatches()
	}
	return err
}

func (r *run) makeSchemas(ctx context.Context) error {
	statements, err := schema.CreateStatements(ctx, r.Pair.Source)
	if err != nil {
		return err
	}
	err = r.Quietly(ctx, func(session *replication.Session) error {
		for _, schema := range r.schemas {
			statement, ok := statements[schema]
			if !ok {
				return fmt.Errorf("create schema %s: %w", schema, replication.ErrGone)
			}
			all := []string{statement}
			if r.alterSchemas {
				all = append(all, strings.Replace(statement, "CREATE DATABASE IF NOT EXISTS", "ALTER DATABASE", 1))
			}
			for _, s := range all {
				if _, err := session.ExecContext(ctx, s); err != nil {
					return r.Pair.Target.Wrap("create schema "+schema, err)
				}
			}
		}
		return nil
	})
	r.alterSchemas = r.alterSchemas && err != nil
	return err
}

// dropVanished drops the tables of a batch that the seed has made and that no longer exist
// on the source.
func (r *run) dropVanished(ctx context.Context, b schema.Batch, noted map[table.Name]*tableNote) error {
	for id := range noted {
		if _, ok := b.Kinds[id]; ok {
			continue
		}
		if err := r.dropTable(ctx, id); err != nil {
			return err
		}
		if err := r.notes.write(ctx, forgetTable(id), forgetParts(id)); err != nil {
			return err
		}
	}
	for _, schema := range b.Schemas {
		for _, id := range slices.Collect(r.known.inSchema(schema)) {
			if _, ok := b.Kinds[id]; !ok && b.Covers(id.Name) {
				r.known.drop(id)
			}
		}
	}
	return nil
}

func (r *run) dropTable(ctx context.Context, id table.Name) error {
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

// prepareTables reads those tables of a batch and of a kind that are unknown or stale,
// makes those that are missing, and returns all that it has read.
func (r *run) prepareTables(ctx context.Context, b schema.Batch, kind string, deps dependencies, dirty map[table.Name]bool) (map[table.Name]*sourceTable, error) {
	noted, err := r.notes.read(ctx, b)
	if err != nil {
		return nil, err
	}
	if err := r.dropVanished(ctx, b, noted); err != nil {
		return nil, err
	}
	dialect, err := r.Pair.Source.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	stale := func(id table.Name) bool {
		note := noted[id]
		return note == nil || note.phase == phaseNew || note.phase == phaseSnapshotOnly || dirty[id]
	}
	var wanted []table.Name
	for id, k := range b.Kinds {
		if k == kind && (!r.known.has(id) || stale(id)) {
			wanted = append(wanted, id)
		}
	}
	var mu sync.Mutex
	read := map[table.Name]*sourceTable{}
	err = r.inGroups(ctx, table.SortNames(wanted), func(ctx context.Context, from *wire.Conn, c *schema.Creator, ids []table.Name) error {
		var tables, missing []*sourceTable
		err := readTables(ctx, from, dialect, ids, kind, func(t *sourceTable) error {
			t.lookups = deps.lookups[t.id()]
			if note := noted[t.id()]; note != nil && note.phase == phaseSnapshotOnly {
				t.keyName, t.keyCols, t.keyPositions = "", nil, nil
			}
			tables = append(tables, t)
			if stale(t.id()) && (t.chunked() || t.sequence) {
				missing = append(missing, t)
			}
			return nil
		})
		if err == nil {
			err = r.makeTables(ctx, c, missing, noted)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, t := range tables {
			if t.chunked() && !t.sequence {
				t.object.Create = "" // it is not needed any more
			}
			r.known.put(t)
			read[t.id()] = t
		}
		return err
	})
	return read, err
}

// tablesPerGroup is how many tables are read together, in one or two round trips.
const tablesPerGroup = 25

// inGroups distributes tables in groups over a few makers. Each maker has a connection
// that asks the source, and one that makes tables on the target.
func (r *run) inGroups(ctx context.Context, ids []table.Name, do func(context.Context, *wire.Conn, *schema.Creator, []table.Name) error) error {
	if len(ids) == 0 {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	groups := make(chan []table.Name)
	group.Go(func() error {
		defer close(groups)
		for ids := range slices.Chunk(ids, min(tablesPerGroup, len(ids)/(4*tableMakers)+1)) {
			select {
			case groups <- ids:
			case <-ctx.Done():
				return nil // a maker reports the error
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
			for ids := range groups {
				if err := do(ctx, from, c, ids); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// makeTables makes tables and notes them: new ones before they are made, so that a crash
// leaves nothing unknown, and all of them afterwards.
func (r *run) makeTables(ctx context.Context, c *schema.Creator, tables []*sourceTable, noted map[table.Name]*tableNote) error {
	var begun, made []string
	for _, t := range tables {
		if noted[t.id()] == nil {
			begun = append(begun, phaseNote(t.id(), phaseNew, nil))
		}
	}
	if err := inOneTransaction(ctx, c.Session(), begun); err != nil {
		return report.Wrap("note which tables are to be made", err)
	}
	for _, t := range tables {
		statements, err := r.makeTable(ctx, c, t)
		if err != nil {
			return err
		}
		made = append(made, statements...)
	}
	return report.Wrap("note which tables are made", inOneTransaction(ctx, c.Session(), made))
}

// keepIndexesBelow is the size in bytes below which another DDL statement costs more than
// keeping the indexes while rows arrive. Unique indexes are deferred all the same: a fuzzy
// copy may violate them for a while.
const keepIndexesBelow = 1 << 20

// makeTable makes a table on the target without its deferred definitions, and returns the
// statements that note it. A table without that note is made again.
func (r *run) makeTable(ctx context.Context, c *schema.Creator, t *sourceTable) (notes []string, err error) {
	if err := c.Exec(ctx, "DROP TABLE IF EXISTS "+t.Quoted()); err != nil {
		return nil, r.Pair.Target.Wrap("drop table "+t.Title(), err)
	}
	o := t.object
	var deferred []string
	if !t.sequence {
		parts, err := schema.DeferIndexes(o.Create, t.keyName, t.lookups, t.Bytes < keepIndexesBelow)
		if err != nil {
			return nil, fmt.Errorf("read the definition of %s: %w", t.Title(), err)
		}
		o.Create, deferred = parts.Create, parts.Deferred
	}
	if err := c.Create(ctx, o); err != nil {
		return nil, err
	}
	notes = []string{phaseNote(t.id(), phaseMade, deferred), forgetParts(t.id())}
	if t.chunked() {
		notes = append(notes, (&keyRange{table: t}).partNote())
	}
	return notes, nil
}

// copySnapshot copies from the snapshot the tables without a usable key, and the states of
// sequences.
func (r *run) copySnapshot(ctx context.Context, conns workerConns) error {
	c, err := schema.NewCreator(ctx, r.Pair.Source, r.Pair.Target)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, t := range r.known.atEnd {
		if !t.chunked() && !r.restless[t.id()] {
			if err := r.copySnapshotTable(ctx, c, conns, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// copySnapshotTable makes a table, or a sequence's state, anew and copies it from the
// snapshot. The note that it is made commits with its rows: before, it is to be made.
func (r *run) copySnapshotTable(ctx context.Context, c *schema.Creator, conns workerConns, t *sourceTable) error {
	if t.sequence && !r.restless[t.id()] { // it is made already
		return c.CopySequence(ctx, conns.from, t.object)
	}
	begun := []string{phaseNote(t.id(), phaseSnapshotOnly, nil), forgetParts(t.id())}
	if err := inOneTransaction(ctx, c.Session(), begun); err != nil {
		return err
	}
	noted, err := r.makeTable(ctx, c, t)
	if err != nil {
		return err
	}
	if t.sequence {
		if err := inOneTransaction(ctx, c.Session(), noted); err != nil {
			return err
		}
		return c.CopySequence(ctx, conns.from, t.object)
	}
	as, query := t.allRows()
	p := &pump{from: conns.from, to: conns.to, table: as, verb: "INSERT", manyRows: t.Bytes >= r.Options.prepareFrom, wait: r.throttle.Wait, onRead: func(bytes int64) {
		r.throttle.Count(bytes)
		r.progress.Add(t.id(), 0, bytes)
	}}
	var got pumpResult
	err = conns.to.Transaction(ctx, func() error {
		if len(t.history) > 0 {
			if _, err := conns.to.Exec(ctx, "SET SESSION system_versioning_insert_history = 1"); err != nil {
				return err
			}
		}
		var err error
		if got, err = p.run(ctx, query); err != nil {
			return err
		}
		for _, note := range noted {
			if _, err := conns.to.Exec(ctx, note); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.progress.Add(t.id(), got.rows, 0)
	r.progress.FinishTable(t.id())
	return nil
}

// countBatch tells the meter of a batch's tables, and of what earlier attempts have copied.
func (r *run) countBatch(batch tableBatch, size schema.Size) {
	tables := map[table.Name]control.TableCount{}
	var finished []control.TableCount
	for id, note := range batch.noted {
		if batch.tables[id] == nil && len(note.parts) == 0 { // it is not read again
			finished = append(finished, control.TableCount{Bytes: note.bytes, Rows: note.rows})
		}
	}
	for id, t := range batch.tables {
		if t.sequence {
			continue
		}
		c := control.TableCount{Title: t.Title(), EstBytes: t.Bytes, EstRows: t.rows}
		if note := batch.noted[id]; note != nil && note.phase != phaseNew && note.phase != phaseSnapshotOnly {
			c.Bytes, c.Rows, c.Done = note.bytes, note.rows, t.chunked() && len(note.parts) == 0
		}
		tables[id] = c
	}
	r.progress.AddBatch(size, tables, finished)
}

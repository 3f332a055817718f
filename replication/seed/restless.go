package seed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// A table that DDL changes again and again would be copied again without end. If it is
// small, it becomes restless: it is made and copied at the very start of the last snapshot,
// before the next DDL. If it is large, or the parent in a foreign key that acts, the seed
// refuses.
const (
	quietRecopies = 3        // after so many copies a table becomes restless
	maxRecopies   = 10       // copies of one table
	restlessBytes = 64 << 20 // the largest restless table
	restlessTries = 40       // snapshots taken for restless tables
)

// markDirty notes that tables must be made again; those in snapshotOnly are copied in a
// snapshot from now on. Record first, then update memory: a position past the DDL must
// never be recorded without it.
func (r *run) markDirty(ctx context.Context, dirty, snapshotOnly map[table.Name]bool) error {
	var statements []string
	var fresh []table.Name
	for _, id := range slices.Concat(slices.Collect(maps.Keys(dirty)), slices.Collect(maps.Keys(snapshotOnly))) {
		if r.dirty[id] {
			continue
		}
		fresh = append(fresh, id)
		if id == (table.Name{}) {
			continue
		}
		phase, err := r.nextPhase(ctx, id, snapshotOnly[id])
		if err != nil {
			return err
		}
		statements = append(statements, phaseNote(id, phase, nil), forgetParts(id))
	}
	if len(statements) > 0 {
		if err := r.notes.write(ctx, statements...); err != nil {
			return err
		}
	}
	for _, id := range fresh {
		r.dirty[id] = true
		if r.recopies[id]++; r.isRestless(id) {
			r.restless[id] = true
		}
	}
	return nil
}

// isRestless reports whether a table is to be copied in the last snapshot because DDL has
// made it dirty too often.
func (r *run) isRestless(id table.Name) bool {
	t, ok := r.known.get(id)
	return ok && r.recopies[id] > quietRecopies && t.mayBeRestless()
}

// mayBeRestless reports whether the table is small and no foreign key acts when its rows
// change: what its DDL does to other tables' rows would not be followed.
func (t *sourceTable) mayBeRestless() bool { return t.Bytes <= restlessBytes && len(t.cascades) == 0 }

// nextPhase is the phase of a table that must be made again, and says why.
func (r *run) nextPhase(ctx context.Context, id table.Name, snapshotOnly bool) (phase string, err error) {
	t, known := r.known.get(id)
	switch {
	case snapshotOnly:
		if known && t.chunked() {
			report.Note(ctx, "%s: the binlog does not tell its rows; it is copied in a snapshot at the end", t.Title())
		}
		return phaseSnapshotOnly, nil
	case !known:
	case r.recopies[id] >= quietRecopies && t.mayBeRestless():
		report.Note(ctx, "%s is changed by DDL again and again: it is copied in a snapshot at the end", t.Title())
		return phaseSnapshotOnly, nil
	case r.recopies[id] >= maxRecopies:
		return "", report.WithHint(fmt.Errorf("seed %s: DDL has changed %s %d times while it was copied (H3)", r.Pair.Name, t.Title(), r.recopies[id]+1),
			"freeze its schema changes (ALTER, TRUNCATE, RENAME, DROP) until the seed is done, and run the same command again: the seed goes on")
	default:
		report.Note(ctx, "%s changed by DDL: it is copied again", t.Title())
	}
	return phaseNew, nil
}

const savepoint = "migrate_seed"

// takeRestlessSnapshot opens the last snapshot and copies the restless tables in it,
// before anything else.
func (r *run) takeRestlessSnapshot(ctx context.Context, to *wire.Conn) (*snapshot, error) {
	if len(r.restless) == 0 {
		return takeSnapshot(ctx, r.Pair.Source)
	}
	asker, err := wire.OpenForQuestions(ctx, r.Pair.Source)
	if err != nil {
		return nil, err
	}
	defer asker.Close()
	c, err := schema.NewCreator(ctx, r.Pair.Source, r.Pair.Target)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for try := 1; ; try++ {
		tables, err := r.readRestless(ctx, asker)
		if err == nil {
			var snap *snapshot
			if snap, err = takeSnapshot(ctx, r.Pair.Source); err != nil {
				return nil, err
			}
			for _, t := range tables {
				if err == nil {
					err = r.copyRestless(ctx, c, workerConns{snap.Conn, to}, t)
				}
			}
			if err == nil {
				return snap, nil
			}
			snap.Close()
		}
		if !errors.Is(err, schema.ErrTableChanged) && !lostLock(err) {
			return nil, err
		}
		if try == restlessTries {
			return nil, report.WithHint(fmt.Errorf("seed %s: DDL was faster than %d snapshots of the tables that it changes again and again: %w", r.Pair.Name, restlessTries, err),
				"freeze schema changes until the seed is done")
		}
		report.Note(ctx, "DDL was faster than the snapshot of the tables that it changes again and again: another one is taken (%d of %d)", try, restlessTries)
	}
}

// readRestless reads the restless tables, sequences first. It returns
// schema.ErrTableChanged if one does not exist at the moment.
func (r *run) readRestless(ctx context.Context, asker *wire.Conn) ([]*sourceTable, error) {
	ids := map[string][]table.Name{}
	for id := range r.restless {
		if t, ok := r.known.get(id); ok && t.sequence {
			ids[schema.KindSequence] = append(ids[schema.KindSequence], id)
		} else if ok {
			ids[schema.KindTable] = append(ids[schema.KindTable], id)
		}
	}
	var all []*sourceTable
	for _, kind := range []string{schema.KindSequence, schema.KindTable} {
		for _, id := range table.SortNames(ids[kind]) {
			t, err := r.readOne(ctx, asker, id, kind)
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
	}
	return all, nil
}

// readOne reads a table as one that is copied as a whole.
func (r *run) readOne(ctx context.Context, asker *wire.Conn, id table.Name, kind string) (t *sourceTable, err error) {
	dialect, err := r.Pair.Source.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	err = readTables(ctx, asker, dialect, []table.Name{id}, kind, func(read *sourceTable) error { t = read; return nil })
	if err == nil && t == nil {
		err = fmt.Errorf("read table %s.%s: %w", id.Schema, id.Name, schema.ErrTableChanged)
	}
	if err != nil {
		return nil, err
	}
	if old, ok := r.known.get(id); ok {
		t.lookups = old.lookups
	}
	t.keyName, t.keyCols, t.keyPositions = "", nil, nil
	return t, nil
}

// copyRestless copies a restless table in the snapshot, as it was defined just before the
// snapshot. The first row that is read holds off DDL, so a definition that is still the
// same then was the same in between. It is read on the same connection: another one would
// wait behind the DDL. The savepoint lets DDL go on afterwards.
func (r *run) copyRestless(ctx context.Context, c *schema.Creator, conns workerConns, t *sourceTable) error {
	for _, statement := range []string{"SAVEPOINT " + savepoint, "DO (SELECT COUNT(*) FROM (SELECT 1 FROM " + t.Quoted() + " LIMIT 1) AS present)"} {
		if _, err := conns.from.Exec(ctx, statement); err != nil {
			return schema.ChangedError(err)
		}
	}
	var now schema.Object
	err := conns.from.Ask(ctx, []string{schema.ShowCreate(t.object.Kind, t.id())}, func(_ int, rows []query.Record, err error) error {
		if err == nil && len(rows) > 0 {
			now, err = schema.NewObject(t.object.Kind, t.id(), rows[0])
		}
		return schema.ChangedError(err)
	})
	if err != nil {
		return err
	}
	if now.Definition() != t.object.Definition() {
		return fmt.Errorf("copy %s: %w", t.Title(), schema.ErrTableChanged)
	}
	r.known.put(t)
	if err := r.copySnapshotTable(ctx, c, conns, t); err != nil {
		return schema.ChangedError(err)
	}
	_, err = conns.from.Exec(ctx, "ROLLBACK TO SAVEPOINT "+savepoint)
	return err
}

package seed

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

const (
	maxRounds  = 20              // of catching up before the last one
	quickRound = 2 * time.Second // a round that takes less time leaves little to do
)

// catchUpRounds runs rounds until one takes little time. It also stops if a round takes
// hardly less time than the one before, because then none ever will.
func (r *run) catchUpRounds(ctx context.Context) error {
	var before time.Duration
	for n := 0; n < maxRounds && len(r.dirty) == 0; n++ {
		took, err := r.round(ctx, true)
		if err != nil || took < quickRound || n > 0 && took > before*3/4 {
			return err
		}
		before = took
	}
	return nil
}

// round catches up with the source's current position. With compare, every table is copied.
func (r *run) round(ctx context.Context, compare bool) (took time.Duration, err error) {
	if err := r.throttle.Wait(ctx); err != nil { // the server closes a log connection that is not read for long
		return 0, err
	}
	goal, err := visiblePosition(ctx, r.Pair.Source)
	if err != nil {
		return 0, err
	}
	r.roundBegan = time.Now()
	workers, err := r.openWorkerConns(ctx)
	defer func() {
		for _, w := range workers {
			w.close()
		}
	}()
	if err != nil {
		return 0, err
	}
	err = r.catchUp(ctx, workers, goal, r.throttle, compare)
	if err == nil && compare {
		r.resumed = false
		clear(r.copied)
	}
	return time.Since(r.roundBegan), err
}

// openWorkerConns opens the connections of all workers concurrently, because each takes
// several round trips.
func (r *run) openWorkerConns(ctx context.Context) ([]workerConns, error) {
	workers := make([]workerConns, r.throttle.Current().Workers)
	group, ctx := errgroup.WithContext(ctx)
	for i := range workers {
		group.Go(func() (err error) {
			if workers[i].from, err = wire.Open(ctx, r.Pair.Source, readSettings...); err != nil {
				return err
			}
			workers[i].to, err = wire.Open(ctx, r.Pair.Target, dialect.Unlogged, rowsSettings, wire.ReadCommitted)
			return err
		})
	}
	return workers, group.Wait()
}

// catchUp brings the target from the reached position to goal. limit may be nil. With
// compare, it compares the doubtful tables, too, which must be copied by then.
func (r *run) catchUp(ctx context.Context, workers []workerConns, goal replication.GTIDSet, limit *throttle.Throttle, compare bool) error {
	found := newChanges(r.known, r.schemas, r.mismatches, r.prepared, r.copiedSince)
	found.restless, found.allInPair = r.restless, len(r.Pair.Schemas) == 0
	c := &rowSync{changes: found, source: r.Pair.Source, segmentKeys: r.Options.SegmentKeys, workers: workers, throttle: limit, orphaned: r.orphaned}
	c.record = func(ctx context.Context, set replication.GTIDSet, whole bool) error {
		if found.schemaDDL != "" {
			return report.WithHint(fmt.Errorf("seed %s: %s of a schema that is copied: %w", r.Pair.Name, found.schemaDDL, schema.ErrSchemaChanged),
				"do not make or drop schemas until the seed is done: it begins again each time")
		}
		for _, changed := range []map[table.Name]bool{found.dirty, found.snapshotOnly} {
			for id := range changed {
				found.doubtChildren(found.logSegment, id)
			}
		}
		if err := r.markDoubtful(ctx, found.doubtful); err != nil {
			return err
		}
		if err := r.markDirty(ctx, found.dirty, found.snapshotOnly); err != nil {
			return err
		}
		if r.reached = set; whole {
			r.resumable = set
		}
		return r.writeMarker(ctx)
	}
	err := c.run(ctx, r.reader, r.reached, goal)
	if err == nil && compare {
		err = r.compareDoubtful(ctx, c)
	}
	for _, verb := range found.unknown {
		report.Note(ctx, "a statement in the binlog was not recognised (%s): what it names is copied again, and if that is nothing known, everything", verb)
	}
	if found.schemasAltered {
		r.alterSchemas = true
		if err == nil {
			err = r.makeSchemas(ctx)
		}
	}
	if found.mustList() || r.alterSchemas { // also after an error: part of what was read may be recorded
		r.dirty[table.Name{}] = true
	}
	return err
}

// copiedSince reports whether a table was copied since the reached position: so the target
// may never have had its rows as its children know them.
func (r *run) copiedSince(id table.Name) bool { return r.copied[id] || r.resumed }

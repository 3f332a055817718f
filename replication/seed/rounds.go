package seed

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/replication/wire"
)

const (
	mostRounds = 20              // of catching up before the last one
	roundTime  = 2 * time.Second // of a round after which little is left
)

// catchUpRounds catches up until a round takes little time, or no less than the
// one before: then it never will.
func (r *seedRun) catchUpRounds(ctx context.Context) error {
	var before time.Duration
	for n := 0; n < mostRounds && len(r.dirty) == 0; n++ {
		took, err := r.round(ctx)
		if err != nil || took < roundTime || n > 0 && took > before*3/4 {
			return err
		}
		before = took
	}
	return nil
}

// round catches up with what the source has now.
func (r *seedRun) round(ctx context.Context) (took time.Duration, err error) {
	if err := r.throttle.Wait(ctx); err != nil { // a log that is not read for long is taken away by its server
		return 0, err
	}
	goal, err := visiblePosition(ctx, r.Pair.Source)
	if err != nil {
		return 0, err
	}
	r.caughtUp = time.Now()
	lanes, err := r.lanes(ctx)
	defer func() {
		for _, l := range lanes {
			l.close()
		}
	}()
	if err != nil {
		return 0, err
	}
	err = r.catchUp(ctx, lanes, goal, r.throttle)
	return time.Since(r.caughtUp), err
}

// lanes opens the connections of as many workers as there may be, side by side:
// each takes several round trips.
func (r *seedRun) lanes(ctx context.Context) ([]lane, error) {
	lanes := make([]lane, r.throttle.Current().Workers)
	group, ctx := errgroup.WithContext(ctx)
	for i := range lanes {
		group.Go(func() (err error) {
			if lanes[i].from, err = wire.Open(ctx, r.Pair.Source, readSettings...); err != nil {
				return err
			}
			lanes[i].to, err = wire.Open(ctx, r.Pair.Target, dialect.Unlogged, rowsSettings, wire.ReadCommitted)
			return err
		})
	}
	return lanes, group.Wait()
}

// catchUp brings the target from what is reached to goal, held back by a
// throttle, if any.
func (r *seedRun) catchUp(ctx context.Context, lanes []lane, goal replication.GTIDSet, held *throttle.Throttle) error {
	found := newChanges(r.known, r.schemas, r.misfits)
	c := &rowSync{changes: found, lanes: lanes, throttle: held, record: func(ctx context.Context, set replication.GTIDSet) error {
		if found.restart != "" {
			return fmt.Errorf("seed %s: a schema was made, changed or dropped: %w", r.Pair.Name, schema.ErrSchemaChanged)
		}
		if err := r.markDirty(ctx, found.dirty, found.loose); err != nil {
			return err
		}
		r.reached = set
		return r.mark(ctx)
	}}
	return c.run(ctx, r.reader, r.reached, goal)
}

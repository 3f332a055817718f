package seed

import (
	"context"
	"errors"
	"time"

	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// On a site of many blogs most tables are nearly empty. Such a table costs a round trip to
// the source and a commit on the target, so several are read in one round trip and written
// in one transaction.
const (
	smallTableBytes = 64 << 10 // a table up to this size is copied together with others
	maxSmallTables  = 32
)

// isSmall reports whether the whole table is expected in one small chunk.
func (r *keyRange) isSmall() bool {
	return r.pos == nil && r.upper == nil && r.rowsDone == 0 && r.table.Bytes <= smallTableBytes && r.table.rows < firstChunk
}

// withSmallTables adds other small tables that wait to the range of a small one: at most
// one chunk together, at most what fits in a packet, and at most this worker's share.
func (c *copier) withSmallTables(r *keyRange, from *wire.Conn) []*keyRange {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []*keyRange{r}
	if !r.isSmall() {
		return out
	}
	most := min(maxSmallTables, len(c.waiting)/max(c.workers, 1)+1)
	bytes, packet := r.table.Bytes, len(r.query())
	for n := len(c.waiting); len(out) < most && n > 0 && c.waiting[n-1].isSmall(); n-- {
		next := c.waiting[n-1]
		bytes, packet = bytes+next.table.Bytes, packet+len(next.query())+2
		if bytes > c.throttle.ChunkSize() || packet > from.PacketGoal() {
			break
		}
		c.waiting = c.waiting[:n-1]
		c.busy[next] = true
		out = append(out, next)
	}
	return out
}

// smallTablesTime is how long a transaction of several tables may take.
const smallTablesTime = 2 * chunkTime

// copySmallTables copies small tables together, and returns those that are not copied
// completely. If one of them fails, the transaction is rolled back, and all are returned
// to be copied one by one.
func (c *copier) copySmallTables(ctx context.Context, ranges []*keyRange, from, to *wire.Conn) ([]*keyRange, error) {
	if len(ranges) == 1 {
		return ranges, nil
	}
	if err := c.throttle.Wait(ctx); err != nil {
		return nil, err
	}
	queries := make([]string, len(ranges))
	for i, r := range ranges {
		queries[i] = r.query()
	}
	var got []pumpResult
	err := to.Transaction(ctx, func() error {
		defer from.DropPrefetched()
		if err := from.Prefetch(ctx, queries); err != nil {
			return err
		}
		for began := time.Now(); len(got) < len(ranges) && time.Since(began) < smallTablesTime; {
			one, err := c.pumpRange(ctx, ranges[len(got)], from, to)
			if err != nil {
				return err
			}
			got = append(got, one)
		}
		return nil
	})
	switch {
	case ctx.Err() != nil || wire.ConnectionLost(err):
		return nil, err
	case err != nil:
		report.Note(ctx, "%d small tables are copied one by one: %v", len(ranges), err)
		return ranges, nil
	}
	return c.recordChunks(ranges, got), nil
}

// recordChunks records the copied chunks of ranges, and returns the ranges that have more.
func (c *copier) recordChunks(ranges []*keyRange, got []pumpResult) (left []*keyRange) {
	for i, g := range got {
		r := ranges[i]
		c.progress.Add(r.table.id(), g.rows, g.bytes)
		if g.isLast(r.chunkRows) {
			c.done(r)
			continue
		}
		c.mu.Lock()
		r.pos, r.rowsDone = g.last, g.rows // statistics were far too low
		c.mu.Unlock()
		left = append(left, r)
	}
	return append(left, ranges[len(got):]...)
}

// copyEach copies ranges one after the other. A worker that must end leaves the rest to
// others.
func (c *copier) copyEach(ctx context.Context, ranges []*keyRange, from, to *wire.Conn) error {
	for i, r := range ranges {
		if i > 0 && c.handBack(r) {
			c.handOver(ranges[i+1:])
			return errFewerWorkers
		}
		err := c.copyRange(ctx, r, from, to)
		switch {
		case errors.Is(err, errFewerWorkers):
			c.handOver(ranges[i+1:])
			return err
		case errors.Is(err, schema.ErrTableChanged):
			c.mu.Lock()
			c.dirty[r.table.id()] = true
			c.mu.Unlock()
		case err != nil:
			return err
		}
		c.done(r)
	}
	return nil
}

// handOver leaves ranges to other workers.
func (c *copier) handOver(ranges []*keyRange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range ranges {
		delete(c.busy, r)
	}
	c.waiting = append(c.waiting, ranges...)
	c.changed.Broadcast()
}

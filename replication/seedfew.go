package replication

import (
	"context"
	"errors"
	"slices"
)

// A site of many blogs has most of its rows' tables nearly empty. What such a
// table costs is a round trip to the source and a commit on the target, so
// several are read in one and written in one.
const (
	fewBytes = 64 << 10 // of a table that is copied together with others
	mostFew  = 32
)

// isFew reports whether all of a table is expected in one small chunk.
func (r *keyRange) isFew() bool {
	return r.pos == nil && r.upper == nil && r.done == 0 && r.table.Bytes <= fewBytes && r.table.rows < firstChunk
}

// withFew adds to a range of few rows others that wait: as many as leave the
// same for every other worker.
func (c *copier) withFew(r *keyRange) []*keyRange {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []*keyRange{r}
	most := min(mostFew, len(c.waiting)/max(c.workers, 1)+1)
	for n := len(c.waiting); r.isFew() && len(out) < most && n > 0 && c.waiting[n-1].isFew(); n-- {
		next := c.waiting[n-1]
		c.waiting = c.waiting[:n-1]
		c.busy[next] = true
		out = append(out, next)
	}
	return out
}

// copyFew copies tables of few rows together. Where that fails, for one of them
// perhaps, nothing of it stands, and each is copied on its own.
func (c *copier) copyFew(ctx context.Context, ranges []*keyRange, from, to *wire) ([]*keyRange, error) {
	if len(ranges) == 1 {
		return ranges, nil
	}
	if err := c.throttle.wait(ctx); err != nil {
		return nil, err
	}
	queries := make([]string, len(ranges))
	for i, r := range ranges {
		queries[i] = r.query()
	}
	got := make([]pumped, len(ranges))
	err := to.inTransaction(ctx, "copy small tables", func() (err error) {
		defer from.forgetAhead()
		if err := from.askAhead(ctx, slices.Clone(queries)); err != nil {
			return err
		}
		for i, r := range ranges {
			if got[i], err = c.pumpRange(ctx, r, from, to); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		if ctx.Err() != nil || connectionLost(err) {
			return nil, err
		}
		return ranges, nil
	}
	var left []*keyRange
	for i, r := range ranges {
		c.progress.add(r.table.id(), got[i].rows, got[i].bytes)
		if got[i].all(r.rows) {
			c.done(r)
			continue
		}
		c.mu.Lock()
		r.pos, r.done = got[i].last, got[i].rows // statistics were far too low
		c.mu.Unlock()
		left = append(left, r)
	}
	return left, nil
}

// copyEach copies ranges one after the other. Of those that a worker has no
// time for any more, others take care.
func (c *copier) copyEach(ctx context.Context, ranges []*keyRange, from, to *wire) error {
	for i, r := range ranges {
		err := c.copyRange(ctx, r, from, to)
		switch {
		case errors.Is(err, errFewer):
			c.handOver(ranges[i+1:])
			return err
		case errors.Is(err, errTableChanged):
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

// handOver lets other workers take ranges.
func (c *copier) handOver(ranges []*keyRange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range ranges {
		delete(c.busy, r)
	}
	c.waiting = append(c.waiting, ranges...)
	c.changed.Broadcast()
}

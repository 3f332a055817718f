package seed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/replication/wire"
)

const (
	firstChunk = 1000 // rows
	minChunk   = 50   // rows, unless rows are long
	maxChunk   = 100_000
	chunkTime  = time.Second

	minSplitRows   = 4 * firstChunk // rows that a range must have left to be split
	maxSplitOffset = 200_000        // rows that a split may skip to find its place

	// readTimeLimit is how long one SELECT may stay open on the source. Its result is
	// cut off then, and another SELECT reads the rest.
	readTimeLimit = 3 * time.Second
	// workerCheckInterval is how often the number of workers is adjusted.
	workerCheckInterval = 500 * time.Millisecond
)

// copier copies the ranges of many tables with a few workers. A worker without a range
// takes half of what is left of another one's.
type copier struct {
	source, target *replication.Server
	notes          notes
	throttle       *throttle.Throttle
	progress       *control.Meter
	prepareFrom    int64

	mu      sync.Mutex
	workers int // that are running

	changed    *sync.Cond
	waiting    []*keyRange // the longest last
	busy       map[*keyRange]bool
	lastParts  map[table.Name]int
	openRanges map[table.Name]int // ranges that are not copied yet
	finished   chan struct{}      // closed when everything is copied
	stopped    bool
	dirty      map[table.Name]bool // tables that DDL has changed meanwhile
}

// copy copies the ranges and returns the tables that DDL has changed meanwhile.
func (c *copier) copy(ctx context.Context, ranges []*keyRange) (map[table.Name]bool, error) {
	c.changed = sync.NewCond(&c.mu)
	c.busy, c.dirty, c.stopped = map[*keyRange]bool{}, map[table.Name]bool{}, false
	c.openRanges, c.finished = map[table.Name]int{}, make(chan struct{})
	for _, r := range ranges {
		c.openRanges[r.table.id()]++
	}
	for _, r := range ranges {
		r.chunkRows = r.table.firstChunk(c.throttle.ChunkSize())
	}
	c.waiting = ranges
	slices.SortStableFunc(c.waiting, func(a, b *keyRange) int { return int(a.rowsLeft - b.rowsLeft) })
	group, ctx := errgroup.WithContext(ctx)
	release := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stopped = true
		c.changed.Broadcast()
	})
	defer release()
	most := len(ranges) * 4
	group.Go(func() error { c.keepWorkers(ctx, group, most); return nil })
	return c.dirty, group.Wait()
}

// keepWorkers keeps as many workers running as the throttle allows at the moment, until
// everything is copied.
func (c *copier) keepWorkers(ctx context.Context, group *errgroup.Group, most int) {
	tick := time.NewTicker(workerCheckInterval)
	defer tick.Stop()
	for {
		wanted := min(c.throttle.Current().Workers, most)
		c.mu.Lock()
		left := len(c.waiting) + len(c.busy)
		for ; left > 0 && c.workers < wanted && !c.stopped; c.workers++ {
			group.Go(func() error { return c.work(ctx) })
		}
		c.progress.SetWorkers(c.workers)
		c.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-c.finished:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// leaveIfSurplus reports whether there are more workers than allowed, and if so removes
// the caller from their number. The caller holds the lock.
func (c *copier) leaveIfSurplus() bool {
	if c.workers <= c.throttle.Current().Workers {
		return false
	}
	c.workers--
	return true
}

// next returns a worker's next range, or nil if the worker is to end.
func (c *copier) next(ctx context.Context, from *wire.Conn) (*keyRange, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if c.stopped {
			return nil, context.Cause(ctx)
		}
		if c.leaveIfSurplus() {
			return nil, nil
		}
		if n := len(c.waiting); n > 0 {
			r := c.waiting[n-1]
			c.waiting = c.waiting[:n-1]
			c.busy[r] = true
			return r, nil
		}
		if len(c.busy) == 0 {
			return nil, nil
		}
		r, tried, err := c.split(ctx, from)
		if err != nil || r != nil {
			return r, err
		}
		if !tried { // split released the lock: a broadcast may have been missed meanwhile
			c.changed.Wait()
		}
	}
}

// done records that a range is copied.
func (c *copier) done(r *keyRange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, r)
	id := r.table.id()
	if c.openRanges[id]--; c.openRanges[id] == 0 && !c.dirty[id] {
		c.progress.FinishTable(id)
	}
	if len(c.busy)+len(c.waiting) == 0 {
		close(c.finished)
	}
	c.changed.Broadcast()
}

// handBack gives a range to the other workers if there are more workers than allowed.
func (c *copier) handBack(r *keyRange) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.leaveIfSurplus() {
		return false
	}
	delete(c.busy, r)
	c.waiting = append(c.waiting, r)
	c.changed.Broadcast()
	return true
}

func (c *copier) work(ctx context.Context) error {
	from, err := wire.Open(ctx, c.source, readSettings...)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := wire.Open(ctx, c.target, dialect.Unlogged, rowsSettings, wire.ReadCommitted)
	if err != nil {
		return err
	}
	defer to.Close()
	for {
		r, err := c.next(ctx, from)
		if err != nil || r == nil {
			return err
		}
		ranges, err := c.copySmallTables(ctx, c.withSmallTables(r, from), from, to)
		if err == nil {
			err = c.copyEach(ctx, ranges, from, to)
		}
		if errors.Is(err, errFewerWorkers) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readSettings are the settings of sessions that read chunks: each SELECT reads what is
// committed when it begins.
var readSettings = []string{wire.ReadCommitted}

// errFewerWorkers ends a worker that is no longer wanted.
var errFewerWorkers = errors.New("there are to be fewer workers")

// copyRange copies a range chunk by chunk. The note of a chunk commits with its rows.
func (c *copier) copyRange(ctx context.Context, r *keyRange, from, to *wire.Conn) error {
	for {
		if err := c.throttle.Wait(ctx); err != nil {
			return err
		}
		c.mu.Lock()
		pos, upper, size := r.pos, r.upper, r.chunkRows
		c.mu.Unlock()
		began := time.Now()
		got, err := c.copyChunk(ctx, &keyRange{table: r.table, part: r.part, pos: pos, upper: upper, chunkRows: size}, from, to)
		if err != nil {
			return err
		}
		c.progress.Add(r.table.id(), got.rows, got.bytes)
		c.mu.Lock()
		r.rowsDone += got.rows
		if got.last != nil {
			r.pos = got.last
		}
		r.chunkRows = nextChunk(size, got, time.Since(began), c.throttle.ChunkSize())
		r.rowsLeft = max(r.rowsLeft-got.rows, 2*r.chunkRows+1, minSplitRows) // statistics may be far too low
		c.changed.Broadcast()                                                // perhaps it can be split again
		c.mu.Unlock()
		if got.isLast(size) {
			return nil
		}
		if c.handBack(r) {
			return errFewerWorkers
		}
	}
}

// copyChunk copies the next rows of a range.
func (c *copier) copyChunk(ctx context.Context, r *keyRange, from, to *wire.Conn) (got pumpResult, err error) {
	err = to.InTransaction(ctx, "copy "+r.table.Title(), func() (err error) {
		got, err = c.pumpRange(ctx, r, from, to)
		return err
	})
	return got, err
}

// query returns the statement that reads the next rows of a range.
func (r *keyRange) query() string {
	t := r.table
	return "SELECT " + t.selectList() + " FROM " + t.Quoted() + " WHERE " + table.Within(t.keyCols, r.pos, r.upper) +
		" ORDER BY " + t.keyList() + " LIMIT " + strconv.FormatInt(r.chunkRows, 10)
}

// pumpRange copies the next rows of a range and notes them, in the open transaction.
func (c *copier) pumpRange(ctx context.Context, r *keyRange, from, to *wire.Conn) (pumpResult, error) {
	t := r.table
	p := &pump{from: from, to: to, table: t, verb: "REPLACE", manyRows: r.pos != nil || t.Bytes >= c.prepareFrom, onRead: c.throttle.Count, limit: readTimeLimit}
	got, err := p.run(ctx, r.query())
	if err != nil {
		return got, err
	}
	last := got.last
	if last == nil {
		last = r.pos
	}
	_, err = to.Exec(ctx, r.reachedNote(last, got, got.isLast(r.chunkRows)))
	return got, err
}

// firstChunk returns the number of rows of a table's first chunk, from its average row
// length.
func (t *sourceTable) firstChunk(bytes int64) int64 {
	if t.Bytes <= 0 || t.rows <= 0 {
		return firstChunk
	}
	return max(1, min(firstChunk, int64(float64(bytes)/float64(t.Bytes)*float64(t.rows))))
}

// nextChunk returns the number of rows of the next chunk, from the time and size of the
// last one.
func nextChunk(size int64, got pumpResult, took time.Duration, bytes int64) int64 {
	next := size * 4
	if took > 0 {
		next = min(next, int64(float64(size)*float64(chunkTime)/float64(took)))
	}
	next = max(next, minChunk)
	if got.rows > 0 && got.bytes > 0 {
		next = min(next, max(1, bytes*got.rows/got.bytes))
	}
	return min(next, maxChunk)
}

// split takes the rear half of the longest range in progress, and notes both halves before
// either continues. The caller holds the lock. Rows at the border that both copy are
// replaced by themselves.
func (c *copier) split(ctx context.Context, from *wire.Conn) (rear *keyRange, tried bool, err error) {
	var longest *keyRange
	for r := range c.busy {
		// Rows so long that one fills a chunk are read one at a time, to save memory.
		if r.chunkRows > 1 && r.rowsLeft >= minSplitRows && r.rowsLeft > 2*r.chunkRows && (longest == nil || r.rowsLeft > longest.rowsLeft) && r.pos != nil {
			longest = r
		}
	}
	if longest == nil {
		return nil, false, nil
	}
	// Look for the place without the lock: the range can only advance meanwhile.
	copied := *longest
	c.mu.Unlock()
	var middle table.Key
	err = wire.RetryDeadlock(ctx, "split "+copied.table.Title(), func() (err error) {
		middle, err = c.middle(ctx, from, &copied)
		return err
	})
	c.mu.Lock()
	if err != nil || middle == nil || c.stopped || !c.busy[longest] {
		if errors.Is(err, schema.ErrTableChanged) {
			err = nil
		}
		longest.rowsLeft = 0 // do not try again
		return nil, true, err
	}
	if fmt.Sprint(longest.upper) != fmt.Sprint(copied.upper) {
		return nil, true, nil // another worker was faster
	}
	c.lastParts[longest.table.id()]++
	rear = &keyRange{table: longest.table, part: c.lastParts[longest.table.id()], pos: middle, upper: longest.upper, chunkRows: longest.chunkRows}
	if err := c.notes.write(ctx, rear.partNote(), longest.upperNote(middle)); err != nil {
		return nil, true, err
	}
	rear.rowsLeft = longest.rowsLeft / 2
	longest.rowsLeft -= rear.rowsLeft
	longest.upper = middle
	c.openRanges[rear.table.id()]++
	c.busy[rear] = true
	return rear, true, nil
}

// middle returns a key about half way through the rest of a range, or nil.
func (c *copier) middle(ctx context.Context, from *wire.Conn, r *keyRange) (table.Key, error) {
	t := r.table
	if len(t.keyCols) == 1 && isInteger(t.keyCols[0].Type) {
		return c.middleNumber(ctx, from, r)
	}
	offset := min(r.rowsLeft/2, maxSplitOffset)
	return t.keyOf(ctx, from, "WHERE "+table.Within(t.keyCols, r.pos, r.upper)+" ORDER BY "+t.keyList()+fmt.Sprintf(" LIMIT 1 OFFSET %d", offset))
}

func isInteger(kind string) bool {
	return slices.Contains([]string{"tinyint", "smallint", "mediumint", "int", "bigint"}, kind)
}

// middleNumber returns a key near the number half way to the range's last key.
func (c *copier) middleNumber(ctx context.Context, from *wire.Conn, r *keyRange) (table.Key, error) {
	t := r.table
	last, err := t.keyOf(ctx, from, "WHERE "+table.Within(t.keyCols, r.pos, r.upper)+" ORDER BY "+t.keyList()+" DESC LIMIT 1")
	if err != nil || last == nil {
		return nil, err
	}
	var a, b float64
	if a, err = strconv.ParseFloat(r.pos[0], 64); err != nil {
		return nil, nil //nolint:nilerr // a value that is no number has no middle
	}
	if b, err = strconv.ParseFloat(last[0], 64); err != nil {
		return nil, nil //nolint:nilerr // as above
	}
	return t.keyOf(ctx, from, "WHERE "+query.Quote(t.keyCols[0].Name)+fmt.Sprintf(" >= %.0f", a+(b-a)/2)+" AND "+
		table.Within(t.keyCols, r.pos, last)+" ORDER BY "+t.keyList()+" LIMIT 1")
}

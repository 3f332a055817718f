package verify

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication/table"
)

// Sizes of chunks.
const (
	minChunkRows    = 1000
	firstChunkBytes = 8 << 20             // of the first chunk of a table, by the server's estimate
	chunkGoal       = time.Second         // how long the hashes of a chunk should take
	wholeTableBytes = 4 * firstChunkBytes // up to which a table is one chunk

	tablesAtOnce = 32 // small tables that are hashed by one statement
)

// span is a range of a table by its key: behind lower, up to upper. Nil is no bound.
type span struct {
	run          *tableRun
	lower, upper table.Key
}

func (s span) condition() string { return table.Within(s.run.keyCols, s.lower, s.upper) }

// tableRun is a table while it is compared. Several workers take spans of it.
type tableRun struct {
	*tableShape
	chunk     int       // rows of the next span
	lower     table.Key // where it begins
	searching bool      // a worker looks for its end
	ended     bool
	missing   bool // on one side
}

// spanQueue hands out the tables to the workers in spans, the longest table first: some
// worker reads it from the beginning to the end, and the other tables fill the gaps.
type spanQueue struct {
	mu      sync.Mutex
	changed *sync.Cond
	runs    []*tableRun
	stopped bool
	limit   int // rows of a span
}

func newSpanQueue(tables []*tableShape, limit int) *spanQueue {
	s := &spanQueue{limit: limit}
	s.changed = sync.NewCond(&s.mu)
	for _, t := range tables {
		s.runs = append(s.runs, &tableRun{tableShape: t, chunk: min(limit, t.firstChunk())})
	}
	slices.SortStableFunc(s.runs, func(a, b *tableRun) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return s
}

// firstChunk is the number of rows of the first chunk.
func (t *tableShape) firstChunk() int {
	if t.rows == 0 || t.Bytes == 0 {
		return minChunkRows
	}
	return int(max(minChunkRows, firstChunkBytes/max(1, t.Bytes/t.rows)))
}

// next takes spans that no other worker has: one, or several that are each a whole small
// table. No span is the end.
func (s *spanQueue) next(ctx context.Context, to *conn) ([]span, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.stopped {
			return nil, context.Cause(ctx)
		}
		for len(s.runs) > 0 && s.runs[0].ended {
			s.runs = s.runs[1:]
		}
		waits := false
		for i, run := range s.runs {
			switch {
			case run.ended:
			case run.searching:
				waits = true
			case run.whole(s.limit):
				return s.takeWholeTables(s.runs[i:]), nil
			default:
				sp, err := s.take(ctx, run, to)
				return []span{sp}, err
			}
		}
		if !waits {
			return nil, nil
		}
		s.changed.Wait()
	}
}

// whole reports whether the table is one span.
func (r *tableRun) whole(limit int) bool {
	return len(r.keyCols) == 0 || r.lower == nil && r.Bytes <= wholeTableBytes && r.rows <= int64(limit)
}

// takeWholeTables takes the first table as one span, and the next tables with it as long
// as they are small: a round trip for each would take longer than their rows.
func (s *spanQueue) takeWholeTables(runs []*tableRun) []span {
	var out []span
	bytes := int64(0)
	for _, run := range runs {
		if run.ended || run.searching || !run.whole(s.limit) {
			continue
		}
		if bytes += run.Bytes; len(out) > 0 && (bytes > firstChunkBytes || len(out) == tablesAtOnce) {
			break
		}
		run.ended = true
		out = append(out, span{run: run})
	}
	return out
}

// take takes the next span of a table. It searches the span's end on the side that takes
// no writes, without holding the lock.
func (s *spanQueue) take(ctx context.Context, run *tableRun, to *conn) (span, error) {
	sp := span{run: run, lower: run.lower}
	run.searching = true
	chunk := run.chunk
	s.mu.Unlock()
	upper, err := to.key(ctx, run.tableShape, sp.lower, nil, chunk-1)
	s.mu.Lock()
	run.searching = false
	s.changed.Broadcast()
	if err != nil {
		run.ended = true
		return sp, err
	}
	sp.upper, run.lower, run.ended = upper, upper, upper == nil
	return sp, nil
}

// recordTime adjusts the size of the next spans to how long a span of rows took.
func (s *spanQueue) recordTime(run *tableRun, rows int64, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rows < minChunkRows/2 {
		return
	}
	goal := float64(rows) * float64(chunkGoal) / float64(max(took, time.Millisecond))
	run.chunk = min(s.limit, max(minChunkRows, run.chunk/4, min(run.chunk*4, int(goal))))
}

// stop ends the wait of the workers.
func (s *spanQueue) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.changed.Broadcast()
}

// compareTables compares all rows of the tables, with a few workers that take spans of
// any of them.
func (v *verifier) compareTables(ctx context.Context, tables []*tableShape) error {
	v.update(func(r *Report) { r.Tables += int64(len(tables)) })
	s := newSpanQueue(tables, v.opts.ChunkRows)
	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, s.stop)()
	for range v.opts.Parallel {
		group.Go(func() error { return v.work(ctx, s) })
	}
	return group.Wait()
}

// work compares spans until there are no more.
func (v *verifier) work(ctx context.Context, s *spanQueue) error {
	w, err := v.openConns(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	for {
		list, err := s.next(ctx, w.to)
		switch {
		case isAbsent(err):
			v.reportMissing(s, list[0].run)
			continue
		case err == nil && len(list) > 1:
			err = v.compareMany(ctx, w, s, list)
		case err == nil && len(list) == 1:
			err = v.compareOne(ctx, w, s, list[0])
		}
		if err != nil || len(list) == 0 {
			return err
		}
	}
}

// compareOne compares a span. A table that one side lacks is a difference.
func (v *verifier) compareOne(ctx context.Context, w workerConns, s *spanQueue, sp span) error {
	err := sp.run.withHugeRows(func() error { return v.compareSpan(ctx, w, s, sp) })
	if isAbsent(err) {
		v.reportMissing(s, sp.run)
		return nil
	}
	return err
}

// compareMany compares whole tables by one statement on either side. The tables that
// differ are compared one by one; all of them if the statement fails for one.
func (v *verifier) compareMany(ctx context.Context, w workerConns, s *spanQueue, list []span) error {
	a, b, err := w.hashMany(ctx, list)
	if err != nil && !isAbsent(err) && !isTooLong(err) && !errors.Is(err, errRowTooLarge) {
		return err
	}
	for i, sp := range list {
		if err == nil && a[i] == b[i] {
			v.addCompared(ctx, sp.run.tableShape, a[i].Rows)
			continue
		}
		if err := v.compareOne(ctx, w, s, sp); err != nil {
			return err
		}
	}
	return nil
}

// reportMissing reports a table or column that one side lacks, once.
func (v *verifier) reportMissing(s *spanQueue, run *tableRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !run.missing
	run.ended, run.missing = true, true
	if first {
		v.addDifference(Difference{Object: run.Title(), What: "the table or a column is not on both sides"})
	}
}

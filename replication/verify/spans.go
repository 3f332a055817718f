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
	hashLeast = 1000          // rows
	hashFirst = 8 << 20       // bytes of the first chunk, by the server's estimate
	hashGoal  = time.Second   // what a chunk should take
	hashWhole = 4 * hashFirst // bytes up to which a table is one chunk

	batchTables = 32 // small tables that are hashed by one statement
)

// span is a part of a table by its key: behind lower, up to upper. Nil is open.
type span struct {
	run          *tableRun
	lower, upper table.Key
}

func (s span) condition() string { return table.Within(s.run.keyCols, s.lower, s.upper) }

// tableRun is a table while it is compared. Several workers take spans of it.
type tableRun struct {
	*verifyTable
	chunk   int       // rows of the next span
	lower   table.Key // where it begins
	finding bool      // a worker looks for its end
	ended   bool
	missing bool // on one side
}

// spans hands the tables out to the workers in parts, the longest table first:
// it is in work from the beginning to its end, and the others fill the gaps.
type spans struct {
	mu      sync.Mutex
	changed *sync.Cond
	runs    []*tableRun
	stopped bool
	most    int // rows of a span
}

func newSpans(tables []*verifyTable, most int) *spans {
	s := &spans{most: most}
	s.changed = sync.NewCond(&s.mu)
	for _, t := range tables {
		s.runs = append(s.runs, &tableRun{verifyTable: t, chunk: min(most, t.firstChunk())})
	}
	slices.SortStableFunc(s.runs, func(a, b *tableRun) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return s
}

// firstChunk is how many rows to begin with.
func (t *verifyTable) firstChunk() int {
	if t.rows == 0 || t.Bytes == 0 {
		return hashLeast
	}
	return int(max(hashLeast, hashFirst/max(1, t.Bytes/t.rows)))
}

// next takes spans that nobody has: one, or several that are each a small
// table whole. None is the end.
func (s *spans) next(ctx context.Context, to *verifyWire) ([]span, error) {
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
			case run.finding:
				waits = true
			case run.whole(s.most):
				return s.takeWhole(s.runs[i:]), nil
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
func (r *tableRun) whole(most int) bool {
	return len(r.keyCols) == 0 || r.lower == nil && r.Bytes <= hashWhole && r.rows <= int64(most)
}

// takeWhole takes the first table whole, and the next ones with it as long as
// they are small: a round trip for each would take longer than their rows.
func (s *spans) takeWhole(runs []*tableRun) []span {
	var out []span
	bytes := int64(0)
	for _, run := range runs {
		if run.ended || run.finding || !run.whole(s.most) {
			continue
		}
		if bytes += run.Bytes; len(out) > 0 && (bytes > hashFirst || len(out) == batchTables) {
			break
		}
		run.ended = true
		out = append(out, span{run: run})
	}
	return out
}

// take takes the next span of a table. Its end is looked for on the side that
// takes no writes, while the lock is let go.
func (s *spans) take(ctx context.Context, run *tableRun, to *verifyWire) (span, error) {
	sp := span{run: run, lower: run.lower}
	run.finding = true
	chunk := run.chunk
	s.mu.Unlock()
	upper, err := to.key(ctx, run.verifyTable, sp.lower, nil, chunk-1)
	s.mu.Lock()
	run.finding = false
	s.changed.Broadcast()
	if err != nil {
		run.ended = true
		return sp, err
	}
	sp.upper, run.lower, run.ended = upper, upper, upper == nil
	return sp, nil
}

// took tells how long a span of rows took, for the size of the next ones.
func (s *spans) took(run *tableRun, rows int64, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rows < hashLeast/2 {
		return
	}
	goal := float64(rows) * float64(hashGoal) / float64(max(took, time.Millisecond))
	run.chunk = min(s.most, max(hashLeast, run.chunk/4, min(run.chunk*4, int(goal))))
}

// stop lets the workers that wait go.
func (s *spans) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.changed.Broadcast()
}

// compareTables compares all rows of the tables, with a few workers that take
// chunks of any of them.
func (v *verifier) compareTables(ctx context.Context, tables []*verifyTable) error {
	v.count(func(r *Report) { r.Tables += int64(len(tables)) })
	s := newSpans(tables, v.opts.ChunkRows)
	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, s.stop)()
	for range v.opts.Parallel {
		group.Go(func() error { return v.work(ctx, s) })
	}
	return group.Wait()
}

func (v *verifier) work(ctx context.Context, s *spans) error {
	w, err := v.both(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	for {
		list, err := s.next(ctx, w.to)
		switch {
		case absent(err):
			v.missingTable(s, list[0].run)
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
func (v *verifier) compareOne(ctx context.Context, w both, s *spans, sp span) error {
	err := sp.run.fitting(func() error { return v.compareSpan(ctx, w, s, sp) })
	if absent(err) {
		v.missingTable(s, sp.run)
		return nil
	}
	return err
}

// compareMany compares whole tables by one statement on either side; those that
// differ, or all where that is not to be had, one by one.
func (v *verifier) compareMany(ctx context.Context, w both, s *spans, list []span) error {
	a, b, err := w.hashMany(ctx, list)
	if err != nil && !absent(err) && !tooLong(err) && !errors.Is(err, errHuge) {
		return err
	}
	for i, sp := range list {
		if err == nil && a[i] == b[i] {
			v.compared(ctx, sp.run.verifyTable, a[i].Rows)
			continue
		}
		if err := v.compareOne(ctx, w, s, sp); err != nil {
			return err
		}
	}
	return nil
}

// missingTable reports a table or column that one side lacks, once.
func (v *verifier) missingTable(s *spans, run *tableRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !run.missing
	run.ended, run.missing = true, true
	if first {
		v.differ(Difference{Object: run.Title(), What: "the table or a column is not on both sides"})
	}
}

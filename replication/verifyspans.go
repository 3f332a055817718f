package replication

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Sizes of chunks.
const (
	hashLeast = 1000          // rows
	hashFirst = 8 << 20       // bytes of the first chunk, by the server's estimate
	hashGoal  = time.Second   // what a chunk should take
	hashWhole = 4 * hashFirst // bytes up to which a table is one chunk
)

// span is a part of a table by its key: behind lower, up to upper. Nil is open.
type span struct {
	run          *tableRun
	lower, upper bound
}

func (s span) condition() string { return within(s.run.keyCols, s.lower, s.upper) }

// tableRun is a table while it is compared. Several workers take spans of it.
type tableRun struct {
	*verifyTable
	chunk   int   // rows of the next span
	lower   bound // where it begins
	finding bool  // a worker looks for its end
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

// next takes a span that nobody has. ok is false when there is none left.
func (s *spans) next(ctx context.Context, to *verifyWire) (sp span, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.stopped {
			return span{}, false, context.Cause(ctx)
		}
		waits := false
		for _, run := range s.runs {
			if run.finding && !run.ended {
				waits = true
			}
			if !run.finding && !run.ended {
				sp, err = s.take(ctx, run, to)
				return sp, err == nil, err
			}
		}
		if !waits {
			return span{}, false, nil
		}
		s.changed.Wait()
	}
}

// take takes the next span of a table. Its end is looked for on the side that
// takes no writes, while the lock is let go.
func (s *spans) take(ctx context.Context, run *tableRun, to *verifyWire) (span, error) {
	sp := span{run: run, lower: run.lower}
	small := run.Bytes <= hashWhole && run.rows <= int64(s.most) && run.lower == nil
	if len(run.keyCols) == 0 || small {
		run.ended = true
		return sp, nil
	}
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
	v.count(func(r *VerifyReport) { r.Tables += int64(len(tables)) })
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
		sp, ok, err := s.next(ctx, w.to)
		if err == nil && ok {
			err = sp.run.fitting(func() error { return v.compareSpan(ctx, w, s, sp) })
		}
		switch {
		case absent(err):
			v.missingTable(s, sp.run)
		case err != nil || !ok:
			return err
		}
	}
}

// missingTable reports a table or column that one side lacks, once.
func (v *verifier) missingTable(s *spans, run *tableRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !run.missing
	run.ended, run.missing = true, true
	if first {
		v.differ(Difference{Object: run.title(), What: "the table or a column is not on both sides"})
	}
}

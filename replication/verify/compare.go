package verify

import (
	"context"
	"time"

	"github.com/dcmigrate/migrate/replication/table"
)

// Limits of comparing spans that differ.
const (
	spanPieces = 16   // pieces that such a span is cut into
	fewRows    = 1000 // rows that are compared one by one
)

// compareSpan compares a span by its hash, on both sides at once. If the hashes differ
// it is compared again, in pieces.
func (v *verifier) compareSpan(ctx context.Context, w workerConns, s *spanQueue, sp span) error {
	t := sp.run.tableShape
	began := time.Now()
	a, b, err := w.hash(ctx, t, sp.condition())
	switch {
	case isTooLong(err):
		return v.split(ctx, w, s, sp)
	case err != nil:
		return err
	}
	s.recordTime(sp.run, max(a.Rows, b.Rows), time.Since(began))
	v.addCompared(ctx, t, a.Rows)
	if a == b {
		return nil
	}
	v.update(func(r *Report) { r.Reread++ })
	return v.resolve(ctx, w, sp, max(a.Rows, b.Rows))
}

// split compares a span in parts, because it took too long.
func (v *verifier) split(ctx context.Context, w workerConns, s *spanQueue, sp span) error {
	t := sp.run.tableShape
	s.mu.Lock()
	sp.run.chunk = max(minChunkRows, sp.run.chunk/4)
	n := sp.run.chunk
	s.mu.Unlock()
	if len(t.keyCols) == 0 {
		return w.unlimited(ctx, func() error {
			v.addCompared(ctx, t, 0)
			return v.compareRows(ctx, w, t, "TRUE")
		})
	}
	for ; n > 0; n /= 4 {
		middle, err := v.cut(ctx, w, sp, n)
		if err != nil {
			return err
		}
		if middle == nil {
			continue
		}
		if err := v.compareSpan(ctx, w, s, span{sp.run, sp.lower, middle}); err != nil {
			return err
		}
		return v.compareSpan(ctx, w, s, span{sp.run, middle, sp.upper})
	}
	return w.unlimited(ctx, func() error { return v.compareSpan(ctx, w, s, sp) }) // a single row
}

// cut finds a key inside a span, behind n rows of it on one of the sides.
func (v *verifier) cut(ctx context.Context, w workerConns, sp span, n int) (table.Key, error) {
	for _, c := range []*conn{w.to, w.from} {
		key, err := c.key(ctx, sp.run.tableShape, sp.lower, sp.upper, n)
		if key != nil || err != nil {
			return key, err
		}
	}
	return nil, nil
}

// unlimited runs do without the limit of statements, for what cannot be read in parts:
// a table without a key, a row of a gigabyte.
func (w workerConns) unlimited(ctx context.Context, do func() error) error {
	return w.from.unlimited(ctx, func() error { return w.to.unlimited(ctx, do) })
}

// resolve compares a span whose hashes differ: by hash again after the other side has
// caught up, then in pieces, then row by row.
func (v *verifier) resolve(ctx context.Context, w workerConns, sp span, rows int64) error {
	t := sp.run.tableShape
	if len(t.keyCols) == 0 || rows <= fewRows {
		err := v.compareRows(ctx, w, t, sp.condition())
		if isTooLong(err) {
			err = w.unlimited(ctx, func() error { return v.compareRows(ctx, w, t, sp.condition()) })
		}
		return err
	}
	a, b, err := v.hashLater(ctx, w, t, sp.condition())
	switch {
	case isTooLong(err): // its pieces are shorter
	case err != nil || a == b:
		return err
	default:
		rows = max(a.Rows, b.Rows)
	}
	longer := w.from
	if b.Rows > a.Rows {
		longer = w.to
	}
	for {
		end, err := longer.key(ctx, t, sp.lower, sp.upper, int(max(rows/spanPieces, fewRows/2)))
		if err != nil {
			return err
		}
		piece := span{sp.run, sp.lower, end}
		if end == nil {
			piece.upper = sp.upper
		}
		if err := v.resolvePiece(ctx, w, piece, rows/spanPieces); err != nil || end == nil {
			return err
		}
		sp.lower = end
	}
}

// hashLater hashes rows on the writer's side, and on the other side after it has
// executed what the first read can have seen.
func (v *verifier) hashLater(ctx context.Context, w workerConns, t *tableShape, condition string) (a, b digest, err error) {
	if a, err = w.from.hash(ctx, t, condition); err != nil {
		return a, b, err
	}
	if _, err = v.waitCaughtUp(ctx); err != nil {
		return a, b, err
	}
	b, err = w.to.hash(ctx, t, condition)
	return a, b, err
}

// resolvePiece resolves a piece if its hashes differ.
func (v *verifier) resolvePiece(ctx context.Context, w workerConns, piece span, rows int64) error {
	a, b, err := w.hash(ctx, piece.run.tableShape, piece.condition())
	switch {
	case isTooLong(err):
		return v.resolve(ctx, w, piece, rows)
	case err != nil || a == b:
		return err
	}
	return v.resolve(ctx, w, piece, max(a.Rows, b.Rows))
}

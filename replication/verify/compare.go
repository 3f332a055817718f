package verify

import (
	"context"
	"time"

	"github.com/dcmigrate/migrate/replication/table"
)

// Limits of comparing what differs.
const (
	pieces  = 16   // that a span which differs is cut into
	fewRows = 1000 // that are compared one by one
)

// compareSpan compares a span: by hash, both sides at once; then, where that
// differs, again and in pieces.
func (v *verifier) compareSpan(ctx context.Context, w both, s *spans, sp span) error {
	t := sp.run.verifyTable
	began := time.Now()
	a, b, err := w.hash(ctx, t, sp.condition())
	switch {
	case tooLong(err):
		return v.split(ctx, w, s, sp)
	case err != nil:
		return err
	}
	s.took(sp.run, max(a.Rows, b.Rows), time.Since(began))
	v.compared(ctx, t, a.Rows)
	if a == b {
		return nil
	}
	v.count(func(r *Report) { r.Reread++ })
	return v.resolve(ctx, w, sp, max(a.Rows, b.Rows))
}

// split compares a span that took too long in parts.
func (v *verifier) split(ctx context.Context, w both, s *spans, sp span) error {
	t := sp.run.verifyTable
	s.mu.Lock()
	sp.run.chunk = max(hashLeast, sp.run.chunk/4)
	n := sp.run.chunk
	s.mu.Unlock()
	if len(t.keyCols) == 0 {
		return w.unlimited(ctx, func() error {
			v.compared(ctx, t, 0)
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

// cut finds a key inside of a span, behind n rows of it on either side.
func (v *verifier) cut(ctx context.Context, w both, sp span, n int) (table.Key, error) {
	for _, side := range []*verifyWire{w.to, w.from} {
		key, err := side.key(ctx, sp.run.verifyTable, sp.lower, sp.upper, n)
		if key != nil || err != nil {
			return key, err
		}
	}
	return nil, nil
}

// unlimited lifts the limit of statements for what cannot be read in parts: a
// table without a key, a row of a gigabyte.
func (b both) unlimited(ctx context.Context, do func() error) error {
	return b.from.unlimited(ctx, func() error { return b.to.unlimited(ctx, do) })
}

// resolve compares a span that differs: by hash again once the other side has
// caught up, then in pieces, then row by row.
func (v *verifier) resolve(ctx context.Context, w both, sp span, rows int64) error {
	t := sp.run.verifyTable
	if len(t.keyCols) == 0 || rows <= fewRows {
		err := v.compareRows(ctx, w, t, sp.condition())
		if tooLong(err) {
			err = w.unlimited(ctx, func() error { return v.compareRows(ctx, w, t, sp.condition()) })
		}
		return err
	}
	a, b, err := v.hashLater(ctx, w, t, sp.condition())
	switch {
	case tooLong(err): // its pieces are shorter
	case err != nil || a == b:
		return err
	default:
		rows = max(a.Rows, b.Rows)
	}
	more := w.from
	if b.Rows > a.Rows {
		more = w.to
	}
	for {
		end, err := more.key(ctx, t, sp.lower, sp.upper, int(max(rows/pieces, fewRows/2)))
		if err != nil {
			return err
		}
		piece := span{sp.run, sp.lower, end}
		if end == nil {
			piece.upper = sp.upper
		}
		if err := v.resolvePiece(ctx, w, piece, rows/pieces); err != nil || end == nil {
			return err
		}
		sp.lower = end
	}
}

// hashLater hashes rows on the writer's side, and on the other once it has what
// was there to be read.
func (v *verifier) hashLater(ctx context.Context, w both, t *verifyTable, condition string) (a, b sum, err error) {
	if a, err = w.from.hash(ctx, t, condition); err != nil {
		return a, b, err
	}
	if _, err = v.caughtUp(ctx); err != nil {
		return a, b, err
	}
	b, err = w.to.hash(ctx, t, condition)
	return a, b, err
}

// resolvePiece goes on with a piece if it is one of those that differ.
func (v *verifier) resolvePiece(ctx context.Context, w both, piece span, rows int64) error {
	a, b, err := w.hash(ctx, piece.run.verifyTable, piece.condition())
	switch {
	case tooLong(err):
		return v.resolve(ctx, w, piece, rows)
	case err != nil || a == b:
		return err
	}
	return v.resolve(ctx, w, piece, max(a.Rows, b.Rows))
}

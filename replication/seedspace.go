package replication

import (
	"context"

	"github.com/dcmigrate/migrate/report"
)

// reserveSpace lets the target reserve new pages without writing them twice,
// until restoreSpace. What was there stands in the marker before it is changed.
func (r *seedRun) reserveSpace(ctx context.Context) error {
	db, d, err := r.pair.Target.Open(ctx)
	if err != nil || !d.HasExtend() {
		return err
	}
	if r.marker.Made.Extend == "" {
		v, err := variables(ctx, db, ExtendVariable)
		if err != nil {
			return r.pair.Target.wrap("read "+ExtendVariable, err)
		}
		if !isOn(v[ExtendVariable]) {
			return nil
		}
		r.marker.Made.Extend = v[ExtendVariable]
		if err := r.mark(ctx); err != nil {
			return err
		}
	}
	if err := setGlobal(ctx, db, ExtendVariable, "OFF"); err != nil {
		return r.pair.Target.wrap("let tables grow without zeroes", err)
	}
	report.Note(ctx, "%s: %s is off until the seed ends", r.pair.Target.Name(), ExtendVariable)
	return nil
}

// restoreSpace takes reserveSpace back, whoever did it.
func (s *seed) restoreSpace(ctx context.Context, m marker) error {
	if m.Made.Extend == "" {
		return nil
	}
	db, err := s.pair.Target.DB(ctx)
	if err != nil {
		return err
	}
	err = setGlobal(ctx, db, ExtendVariable, m.Made.Extend)
	if errorNumber(err) == 1193 { // it has been replaced by a build that does not know it
		report.Note(ctx, "%s has no %s any more: nothing to restore", s.pair.Target.Name(), ExtendVariable)
		return nil
	}
	if err != nil {
		return s.pair.Target.wrap("restore "+ExtendVariable, err)
	}
	return nil
}

// restoreAfter does it after a failure; what cannot be restored now, the next try
// restores, or the undo.
func (r *seedRun) restoreAfter(ctx context.Context) {
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTimeout)
	defer cancel()
	if err := r.restoreSpace(after, r.marker); err != nil {
		report.Note(ctx, "%v; its restart restores it too", err)
	}
}

package seed

import (
	"context"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// reserveSpace lets the target reserve new pages without writing them twice, until
// restoreSpace. The marker records the old value before it is changed.
func (r *run) reserveSpace(ctx context.Context) error {
	db, d, err := r.Pair.Target.Open(ctx)
	if err != nil || !d.HasExtend() {
		return err
	}
	if r.marker.Effects.Extend == "" {
		v, err := query.Variables(ctx, db, dialect.ExtendVariable)
		if err != nil {
			return r.Pair.Target.Wrap("read "+dialect.ExtendVariable, err)
		}
		if !dialect.IsOn(v[dialect.ExtendVariable]) {
			return nil
		}
		r.marker.Effects.Extend = v[dialect.ExtendVariable]
		if err := r.writeMarker(ctx); err != nil {
			return err
		}
	}
	if err := query.SetGlobal(ctx, db, dialect.ExtendVariable, "OFF"); err != nil {
		return r.Pair.Target.Wrap("let tables grow without zeroes", err)
	}
	report.Note(ctx, "%s: %s is off until the seed ends", r.Pair.Target.Name(), dialect.ExtendVariable)
	return nil
}

// restoreSpace reverts reserveSpace, also that of an earlier attempt.
func (s *Op) restoreSpace(ctx context.Context, m replication.Marker) error {
	if m.Effects.Extend == "" {
		return nil
	}
	db, err := s.Pair.Target.DB(ctx)
	if err != nil {
		return err
	}
	err = query.SetGlobal(ctx, db, dialect.ExtendVariable, m.Effects.Extend)
	if query.ErrorNumber(err) == 1193 { // the server has been replaced by a build that does not know it
		report.Note(ctx, "%s has no %s any more: nothing to restore", s.Pair.Target.Name(), dialect.ExtendVariable)
		return nil
	}
	if err != nil {
		return s.Pair.Target.Wrap("restore "+dialect.ExtendVariable, err)
	}
	return nil
}

// restoreAfterFailure restores the setting after a failure. If it cannot, the next attempt
// or the undo does.
func (r *run) restoreAfterFailure(ctx context.Context) {
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.DialTimeout)
	defer cancel()
	if err := r.restoreSpace(after, r.marker); err != nil {
		report.Note(ctx, "%v; its restart restores it too", err)
	}
}

package replication

import (
	"context"

	"github.com/dcmigrate/migrate/report"
)

// extendVariable says whether MySQL fills a table's new pages with zeroes before
// it uses them, through the file system's cache, and waits for the disk: a fifth
// of what a copy costs it. Without, it reserves the pages, after a note in its
// redo log from which a recovery makes them (WL#13782): a crash loses none.
const extendVariable = "innodb_extend_and_initialize"

// extends reports whether the server has it.
func (d *Dialect) extends() bool { return !d.mariadb() && d.atLeast(8, 0, 22) }

// reserveSpace lets the target reserve new pages without writing them twice,
// until restoreSpace. What was there stands in the marker before it is changed.
func (r *seedRun) reserveSpace(ctx context.Context) error {
	db, dialect, err := r.pair.Target.Open(ctx)
	if err != nil || !dialect.extends() {
		return err
	}
	if r.marker.Made.Extend == "" {
		v, err := variables(ctx, db, extendVariable)
		if err != nil {
			return r.pair.Target.wrap("read "+extendVariable, err)
		}
		if !isOn(v[extendVariable]) {
			return nil
		}
		r.marker.Made.Extend = v[extendVariable]
		if err := r.mark(ctx); err != nil {
			return err
		}
	}
	if err := setGlobal(ctx, db, extendVariable, "OFF"); err != nil {
		return r.pair.Target.wrap("let tables grow without zeroes", err)
	}
	report.Note(ctx, "%s: %s is off until the seed ends", r.pair.Target.Name(), extendVariable)
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
	err = setGlobal(ctx, db, extendVariable, m.Made.Extend)
	if errorNumber(err) == 1193 { // it has been replaced by a build that does not know it
		report.Note(ctx, "%s has no %s any more: nothing to restore", s.pair.Target.Name(), extendVariable)
		return nil
	}
	if err != nil {
		return s.pair.Target.wrap("restore "+extendVariable, err)
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

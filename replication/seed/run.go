package seed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/seed/disk"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

const (
	maxEndings = 10 // how often DDL may invalidate the end of the seed
	maxPasses  = 10 // over all tables before the end of the seed is tried

	// How often, and how long apart, the source is asked whether it has other schemas.
	schemaTries    = 6
	schemaInterval = 150 * time.Millisecond
)

// run is one attempt at the seed, a new one or one that continues.
type run struct {
	*Op
	notes        notes
	marker       replication.Marker
	schemas      []string
	known        *knownTables
	sizes        map[string]schema.Size // of schemas, when this attempt began
	dirty        map[table.Name]bool    // to be made and copied again
	mismatches   map[table.Name]int     // see changes
	recopies     map[table.Name]int     // how often DDL has made a table dirty
	restless     map[table.Name]bool    // see ddl
	alterSchemas bool                   // options of schemas have changed
	doubtful     map[table.Name]bool    // to be compared
	orphaned     map[string]orphanedValue
	copied       map[table.Name]bool // see copiedSince
	resumed      bool                // an earlier attempt may have copied any table since the reached position
	reached      replication.GTIDSet // the target's copy has all changes up to here
	resumable    replication.GTIDSet // the last of those positions from which another attempt can go on
	prepared     map[replication.XID]preparedChanges
	roundBegan   time.Time // when the last round began
	reader       *binlog.Reader
	throttle     *throttle.Throttle
	progress     *control.Meter
}

// copy makes the copy or continues one, in this order: the position; tables and their
// rows; what has changed meanwhile; the snapshot's position; indexes and keys; accounts,
// programs and grants; a check that all definitions are still the same; the target's
// position; the finished marker.
func (s *Op) copy(ctx context.Context, lead *control.Control) (err error) {
	if err := account.DropWorkerLogin(ctx, s.Pair.Source); err != nil {
		return err
	}
	r := s.newRun()
	resumed, err := r.begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			r.restoreAfterFailure(ctx)
		}
	}()
	if err := lead.Make(ctx); err != nil {
		return err
	}
	if r.reader, err = binlog.Open(ctx, s.Pair.Source); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.reader.Close(ctx)) }()
	led, end := context.WithCancelCause(ctx)
	var watchers errgroup.Group
	watchers.Go(func() error {
		err := lead.Lead(led, s.Pair.Name, s.Options.limits(), r.throttle, r.progress.Now)
		end(err) // an error ends the seed
		return err
	})
	watchers.Go(func() error { r.progress.Watch(led); return nil })
	watchers.Go(func() error { r.progress.Show(led); return nil })
	err = r.runAttempts(led, resumed)
	end(nil)
	if lost := watchers.Wait(); lost != nil && err != nil {
		return lost // the seed's own error only says that it was cancelled
	}
	return err
}

func (s *Op) newRun() *run {
	limit := throttle.New(s.Options.limits())
	watch := throttle.NewSourceWatch(s.Pair.Source, limit, throttle.NewReplicaWatch(s.Pair.Source))
	return &run{
		Op: s, notes: notes{s.Pair.Target}, known: newKnownTables(), dirty: map[table.Name]bool{}, mismatches: map[table.Name]int{}, recopies: map[table.Name]int{}, restless: map[table.Name]bool{},
		doubtful: map[table.Name]bool{}, orphaned: map[string]orphanedValue{}, copied: map[table.Name]bool{}, prepared: map[replication.XID]preparedChanges{},
		throttle: limit, progress: control.NewMeter(limit, watch),
	}
}

// runAttempts repeats attempt until DDL has changed nothing meanwhile.
func (r *run) runAttempts(ctx context.Context, resumed bool) error {
	if err := r.reserveSpace(ctx); err != nil {
		return err
	}
	if resumed {
		if err := r.requireSameSchemas(ctx); err != nil { // the notes are of what stood there then
			return err
		}
		if err := r.resume(ctx); err != nil {
			return err
		}
	}
	for ending := 1; ; ending++ {
		done, err := r.attempt(ctx)
		if err != nil || done {
			return err
		}
		if ending == maxEndings {
			return report.WithHint(fmt.Errorf("seed %s: tables were changed, made or dropped at each of %d tries to end: %w", r.Pair.Name, maxEndings, schema.ErrTableChanged),
				"freeze schema changes until the seed is done")
		}
	}
}

// attempt copies what is missing and finishes the seed. done is false if DDL has
// invalidated some of it.
func (r *run) attempt(ctx context.Context) (done bool, err error) {
	if err := r.copyAll(ctx); err != nil {
		return false, err
	}
	definitions, err := r.fingerprint(ctx, r.schemas, r.restless)
	if err != nil {
		return false, err
	}
	if err := r.lastRounds(ctx); err != nil || len(r.dirty) > 0 {
		return false, err
	}
	r.progress.SetPhase("indexes and keys")
	if err := r.complete(ctx); err != nil {
		return false, err
	}
	r.progress.SetPhase("accounts and programs")
	if err := r.createAccountsAndPrograms(ctx); err != nil {
		return false, err
	}
	uncopied, err := r.uncopiedTable(ctx)
	if err != nil {
		return false, err
	}
	after, err := r.fingerprint(ctx, r.schemas, r.restless)
	if err != nil {
		return false, err
	}
	if after != definitions {
		report.Note(ctx, "%s: definitions changed while the seed ended: the end is done again", r.Pair.Source.Name())
		return false, r.dropPrograms(ctx)
	}
	if uncopied != (table.Name{}) {
		return false, fmt.Errorf("seed %s: %s.%s of the source was not copied", r.Pair.Name, uncopied.Schema, uncopied.Name) // this would be a defect of the seed: never pass over it in silence
	}
	return true, r.finish(ctx)
}

// begin writes the marker, or reads that of an earlier attempt.
func (r *run) begin(ctx context.Context) (resumed bool, err error) {
	target, err := r.Pair.Target.DB(ctx)
	if err != nil {
		return false, err
	}
	m, resumed, err := replication.ReadMarker(ctx, target)
	if err != nil {
		return false, r.Pair.Target.Wrap("look for an earlier seed", err)
	}
	if resumed {
		err = r.resumeMarker(ctx, m)
	} else {
		err = r.newMarker(ctx)
	}
	if err != nil {
		return false, err
	}
	return resumed, r.notes.create(ctx)
}

// resumeMarker continues from the marker of an earlier attempt.
func (r *run) resumeMarker(ctx context.Context, m replication.Marker) error {
	dialect, err := r.Pair.Source.Dialect(ctx)
	if err != nil {
		return err
	}
	r.marker, r.schemas = m, m.Effects.Schemas
	if r.reached, err = replication.ParseGTIDSet(dialect.Flavor, m.GTIDs); err != nil {
		return err
	}
	r.resumable, r.resumed = r.reached, true
	if err := r.requireSameTarget(ctx, m.Effects.Target); err != nil {
		return err
	}
	if err := disk.Require(ctx, r.Pair.Source, r.Pair.Target, r.schemas); err != nil {
		return err
	}
	report.Note(ctx, "the seed goes on; it has what %s had at %s", r.Pair.Source.Name(), r.reached)
	return nil
}

// newMarker writes the marker of a new seed.
func (r *run) newMarker(ctx context.Context) error {
	source, err := r.Pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	if r.marker.Origin, err = replication.Identity(ctx, r.Pair.Source); err != nil {
		return err
	}
	if r.marker.Effects.Target, err = replication.Identity(ctx, r.Pair.Target); err != nil {
		return err
	}
	if r.schemas, err = r.Op.Schemas(ctx, source); err != nil {
		return err
	}
	if err := disk.Require(ctx, r.Pair.Source, r.Pair.Target, r.schemas); err != nil {
		return err
	}
	if _, _, err := r.missingAccounts(ctx); err != nil {
		return err
	}
	if r.reached, err = visiblePosition(ctx, r.Pair.Source); err != nil {
		return err
	}
	r.resumable = r.reached
	if err := binlog.WaitPrepared(ctx, r.Pair.Source, r.Options.PreparedLimit); err != nil {
		return err
	}
	r.marker.Effects.Schemas = r.schemas
	report.Note(ctx, "the copy begins at %s of %s", r.reached, r.Pair.Source.Name())
	return r.writeMarker(ctx)
}

// writeMarker writes the marker with the position from which another attempt can go on.
func (r *run) writeMarker(ctx context.Context) error {
	r.marker.GTIDs = r.resumable.String()
	return r.Quietly(ctx, func(session *replication.Session) error { return replication.WriteMarker(ctx, session, r.marker) })
}

// resume continues from the tables of an earlier attempt and catches up at once, which
// proves that the source still has the binlogs.
func (r *run) resume(ctx context.Context) error {
	if err := r.dropPrograms(ctx); err != nil {
		return err
	}
	var err error
	if r.doubtful, err = r.notes.readDoubtful(ctx); err != nil {
		return err
	}
	if err := r.eachBatch(ctx, func(context.Context, tableBatch) error { return nil }); err != nil {
		return err
	}
	if err := r.recomputeAsOurs(ctx); err != nil {
		return err
	}
	_, err = r.round(ctx, false)
	if errors.Is(err, binlog.ErrPurged) {
		return report.WithHint(fmt.Errorf("the seed cannot go on from %s: %w", r.reached, err),
			"run migrate rollback to take the seed back and migrate apply to begin a new one; keep binlogs longer on the source (binlog_expire_logs_seconds)")
	}
	return err
}

// copyAll copies what the target lacks, and then catches up until little is left. Where
// tables come and go all the time, the end of the seed, which is short, is tried all the
// same.
func (r *run) copyAll(ctx context.Context) error {
	for pass := 1; ; pass++ {
		if err := r.requireSameSchemas(ctx); err != nil {
			return err
		}
		if err := r.copyTables(ctx); err != nil {
			return err
		}
		r.progress.SetPhase("catches up")
		if err := r.catchUpRounds(ctx); err != nil {
			return err
		}
		if len(r.dirty) == 0 {
			return nil
		}
		if pass == maxPasses {
			report.Note(ctx, "%s: tables come and go all the time; the end of the seed is tried nevertheless", r.Pair.Source.Name())
			return nil
		}
	}
}

// requireSameSchemas refuses to continue if schemas have been made or dropped. It asks
// again for a while, because a schema that comes and goes counts for nothing.
func (r *run) requireSameSchemas(ctx context.Context) error {
	source, err := r.Pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		now, err := r.Op.Schemas(ctx, source)
		if err != nil {
			return err
		}
		if slices.Equal(now, r.schemas) {
			return nil
		}
		if try == schemaTries {
			return report.WithHint(fmt.Errorf("seed %s: the source has other schemas now: %w", r.Pair.Name, schema.ErrSchemaChanged),
				"do not make or drop schemas until the seed is done: it begins again each time")
		}
		if err := wait.For(ctx, schemaInterval); err != nil {
			return err
		}
	}
}

// copyRanges copies all ranges of a batch that the notes name.
func (r *run) copyRanges(ctx context.Context, b tableBatch) error {
	c := &copier{
		source: r.Pair.Source, target: r.Pair.Target, notes: r.notes, throttle: r.throttle, progress: r.progress,
		prepareFrom: r.Options.prepareFrom, lastParts: map[table.Name]int{},
	}
	var ranges []*keyRange
	for id, note := range b.noted {
		if len(note.parts) == 0 {
			continue
		}
		t, ok := b.tables[id]
		if !ok || !t.chunked() {
			continue
		}
		c.lastParts[id], r.copied[id] = note.lastPart, true
		for _, p := range note.parts {
			p.table, p.rowsLeft = t, t.rows/int64(len(note.parts))
			ranges = append(ranges, &p)
		}
	}
	changed, err := c.copy(ctx, ranges)
	if err != nil {
		return err
	}
	return r.markDirty(ctx, changed, nil)
}

package seed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/seed/disk"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// Options bound what a seed takes from the source. Zero values stand for the defaults.
type Options struct {
	Workers        int           // connections that copy concurrently; default 4
	BytesPerSecond int64         // of rows read; default unlimited
	MostRunning    int           // the source's Threads_running above which the seed waits; default 64
	ReplicaLag     time.Duration // of the source's own replicas above which the seed waits; default 10s
	SegmentKeys    int           // changed rows that are kept in mind before they are brought over; default 25,000
	PreparedLimit  time.Duration // that the seed waits for prepared transactions; default 2 min

	prepareFrom int64 // least bytes of a table whose statements are prepared; default 256 KiB
	batchTables int   // tables of a batch; default schema.BatchTables
}

// WithDefaults returns o with its zero values replaced.
func (o Options) WithDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = 4
	}
	if o.MostRunning <= 0 {
		o.MostRunning = 64
	}
	if o.ReplicaLag <= 0 {
		o.ReplicaLag = 10 * time.Second
	}
	if o.prepareFrom <= 0 {
		o.prepareFrom = 256 << 10
	}
	if o.batchTables <= 0 {
		o.batchTables = schema.BatchTables
	}
	if o.SegmentKeys <= 0 {
		o.SegmentKeys = segmentKeys
	}
	if o.PreparedLimit <= 0 {
		o.PreparedLimit = preparedLimit
	}
	return o
}

// limits are the limits that the seed begins with.
func (o Options) limits() throttle.Limits {
	return throttle.Limits{Workers: o.Workers, BytesPerSecond: o.BytesPerSecond, MostRunning: o.MostRunning, MostLag: o.ReplicaLag}
}

// Step returns StepWith the default options.
func Step(pair replication.Pair) plan.Step { return StepWith(pair, Options{}) }

// StepWith returns the step that makes the first full copy of the pair's data on the
// target. It leaves the target's position at exactly the transactions that the copy holds,
// so that a link can start from there.
//
// Tables are copied in chunks while they are written to (see copier). Then the source's
// binlog tells which rows have changed meanwhile, and those are read again (see rowSync),
// until little is left. The rest is done inside one consistent snapshot, whose position
// becomes the target's. Nothing of this reaches the target's binlog. Notes on the target,
// which commit together with the rows, record the progress: after a crash the next attempt
// continues from there. A target that is not empty and has no such notes is refused.
func StepWith(pair replication.Pair, options Options) plan.Step {
	return plan.Step{
		Name:    "seed-" + pair.Name,
		Summary: fmt.Sprintf("copy all data of %s to %s while it is written to", pair.Source.Name(), pair.Target.Name()),
		Hazards: []plan.Hazard{
			{ID: "H3", Text: "a table that DDL changes during the seed is copied again: freeze schema changes"},
			{ID: "H7", Text: "tables without a key are copied in one snapshot at the end: the source keeps old versions of rows for as long"},
			{ID: "H9", Text: "triggers and events are copied; events stay off on the target until it takes the writes"},
		},
		Op: &Op{Pair: pair, Options: options.WithDefaults()},
	}
}

// Op is the operation of a seed by rows.
type Op struct {
	Pair    replication.Pair
	Options Options
}

// Check looks for the marker of a finished seed from this source.
func (s *Op) Check(ctx context.Context) (plan.State, error) {
	state, err := s.inspect(ctx)
	if wire.ConnectionLost(err) {
		err = report.Transient(err, 0)
	}
	return state, err
}

func (s *Op) inspect(ctx context.Context) (plan.State, error) {
	origin, err := replication.Identity(ctx, s.Pair.Source)
	if err != nil {
		return plan.State{}, err
	}
	db, err := s.Pair.Target.DB(ctx)
	if err != nil {
		return plan.State{}, err
	}
	state := plan.State{Want: "a full copy of " + s.Pair.Source.Name(), Before: json.RawMessage(`{}`)}
	m, ok, err := replication.ReadMarker(ctx, db)
	if errors.Is(err, replication.ErrNotProvisioned) {
		state.Unknown, state.Now = true, "the target host is not made yet"
		return state, nil
	}
	switch {
	case err != nil:
		return state, s.Pair.Target.Wrap("check the seed", err)
	case ok && m.Finished && replication.SameServer(m.Origin, origin):
		state.Done, state.Now = true, "seeded at "+m.GTIDs
	case ok && !replication.SameServer(m.Origin, origin):
		return state, report.WithHint(fmt.Errorf("%s was seeded from another server (%s) than %s is now (%s)",
			s.Pair.Target.Name(), m.Origin, s.Pair.Source.Name(), origin),
			"a target belongs to one source: undo the other migration, or give this one a target of its own")
	case ok:
		state.Now = "a seed that did not finish"
	default:
		state.Now = "empty"
		return state, errors.Join(s.requireOwnSchema(ctx), s.refuseData(ctx, db), s.refuseFilesOnly(ctx))
	}
	return state, nil
}

// refuseFilesOnly refuses a source with tables that a copy of rows cannot make as they are.
func (s *Op) refuseFilesOnly(ctx context.Context) error {
	db, d, err := s.Pair.Source.Open(ctx)
	if err != nil {
		return err
	}
	texts, err := schema.FilesOnly(ctx, db, d)
	if err != nil || len(texts) == 0 {
		return s.Pair.Source.Wrap("look for tables that only files keep", err)
	}
	return report.WithHint(report.Permanent(fmt.Errorf("%s has tables that only a copy of its files keeps as they are (H21): %s", s.Pair.Source.Name(), phrase.FirstOf(5, texts))),
		"alter those tables on the source as said; or have the pair seeded by its files (databases[].seed: physical)")
}

// requireOwnSchema refuses a side whose schema of the name of migrate's own is an
// application's: the seed would not copy it, and could not make its notes.
func (s *Op) requireOwnSchema(ctx context.Context) error {
	for _, server := range []*replication.Server{s.Pair.Source, s.Pair.Target} {
		db, err := server.DB(ctx)
		if err == nil {
			err = replication.RequireOwnSchema(ctx, db)
		}
		if err != nil {
			return server.Wrap("seed "+s.Pair.Name, err)
		}
	}
	return nil
}

// refuseData returns an error if the target holds schemas that no seed has made.
func (s *Op) refuseData(ctx context.Context, target query.Queryer) error {
	there, err := schema.Names(ctx, target, s.Pair.Schemas)
	if err != nil || len(there) == 0 {
		return err
	}
	return report.WithHint(fmt.Errorf("%s already holds %s, which migrate did not make", s.Pair.Target.Name(), strings.Join(there, ", ")),
		"drop those schemas on the target if nobody needs them, or leave them out in databases[].schemas")
}

// Apply copies everything, or continues an earlier attempt.
func (s *Op) Apply(ctx context.Context) error {
	err := s.applyOnce(ctx)
	if errors.Is(err, schema.ErrSchemaChanged) || errors.Is(err, schema.ErrTableChanged) || wire.ConnectionLost(err) || lostLock(err) {
		return report.Transient(err, 0)
	}
	return s.hintMissingFeature(err)
}

// lostLock reports whether a server gave up a statement because of a deadlock or a lock
// wait. DDL of the source makes deadlocks with plain reads, too.
func lostLock(err error) bool {
	n := query.ErrorNumber(wire.DriverError(err))
	return n == 1213 || n == 1205
}

func (s *Op) applyOnce(ctx context.Context) error {
	state, err := s.Check(ctx)
	if err != nil {
		return err
	}
	if state.Unknown {
		return fmt.Errorf("seed %s: %w", s.Pair.Name, replication.ErrNotProvisioned)
	}
	if state.Done {
		return nil
	}
	if err := s.refuseLog(ctx); err != nil {
		return err
	}
	// Take the lock first: another running seed must not find the target fenced.
	lead, err := control.Take(ctx, s.Pair.Target)
	if err != nil {
		return err
	}
	defer lead.Close()
	return s.Writable(ctx, func(ctx context.Context) error {
		err := s.copy(ctx, lead)
		if errors.Is(err, schema.ErrSchemaChanged) || errors.Is(err, errStatement) {
			return errors.Join(err, s.clear(ctx)) // nothing of it can be kept
		}
		return disk.ExplainFull(ctx, s.Pair.Target, err)
	})
}

// Writable runs do while the target accepts migrate's writes. Only MySQL's super_read_only
// prevents them. read_only stays on, which keeps applications out, and super_read_only is
// restored whatever happens.
func (s *Op) Writable(ctx context.Context, do func(context.Context) error) error {
	db, d, err := s.Pair.Target.Open(ctx)
	if err != nil {
		return err
	}
	if !d.FenceStopsAdmins() {
		return do(ctx)
	}
	if _, err := db.ExecContext(ctx, "SET GLOBAL super_read_only = 0"); err != nil {
		return s.Pair.Target.Wrap("let the seed write", err)
	}
	err = do(ctx)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.DialTimeout)
	defer cancel()
	v, readErr := query.Variables(after, db, "read_only")
	if readErr == nil && dialect.IsOn(v["read_only"]) {
		_, readErr = db.ExecContext(after, "SET GLOBAL super_read_only = 1")
	}
	return errors.Join(err, readErr)
}

// Quietly runs do in a session of the target whose statements reach neither the binlog nor
// the general log.
func (s *Op) Quietly(ctx context.Context, do func(*replication.Session) error) error {
	session, err := account.QuietSession(ctx, s.Pair.Target, dialect.Unlogged)
	if err != nil {
		return err
	}
	defer session.Close()
	return do(session)
}

// Schemas returns the schemas to copy: the pair's, and migrate's own if the source has it,
// because its heartbeat travels over the link and needs its table.
func (s *Op) Schemas(ctx context.Context, source query.Queryer) ([]string, error) {
	schemas, err := schema.Names(ctx, source, s.Pair.Schemas)
	if err != nil {
		return nil, err
	}
	own, err := schema.Names(ctx, source, []string{replication.OwnSchema})
	if err != nil {
		return nil, err
	}
	for _, name := range s.Pair.Schemas {
		if !slices.Contains(schemas, name) {
			return nil, report.WithHint(fmt.Errorf("%s has no schema %q", s.Pair.Source.Name(), name), "correct databases[].schemas")
		}
	}
	return append(schemas, own...), nil
}

// fingerprint is a hash of every definition of the source, except for restless tables. If
// it is the same before the snapshot and after the copy, no DDL ran in between.
func (s *Op) fingerprint(ctx context.Context, schemas []string, restless map[table.Name]bool) (string, error) {
	hash := sha256.New()
	defaults, err := schema.CreateStatements(ctx, s.Pair.Source)
	if err != nil {
		return "", err
	}
	for _, schema := range schemas {
		fmt.Fprintf(hash, "%q", defaults[schema])
	}
	err = schema.ReadObjects(ctx, s.Pair.Source, schemas, schema.AnyKind, schema.PageBatches*s.Options.batchTables, func(o schema.Object) error {
		if !o.IsData() || !restless[table.Name{Schema: o.Schema, Name: o.Name}] {
			fmt.Fprintf(hash, "%q%q%q%q%q", o.Schema, o.Kind, o.Name, o.Definition(), o.Status())
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	accounts, err := account.Read(ctx, s.Pair.Source)
	if err != nil {
		return "", err
	}
	for _, a := range accounts {
		fmt.Fprintf(hash, "%q%q", a.Name(), a.Create.Open())
		for _, grant := range a.Grants {
			fmt.Fprintf(hash, "%q", grant.Open())
		}
	}
	extras, err := account.ReadExtras(ctx, s.Pair.Source)
	for _, e := range extras {
		fmt.Fprintf(hash, "%q%q", e.Title, e.Create.Open())
	}
	return hex.EncodeToString(hash.Sum(nil)), err
}

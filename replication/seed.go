package replication

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

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// ErrNotProvisioned is what a Server's Host or Endpoint returns (wrapped) while
// its machine is yet to be made by an earlier step; Check then says Unknown.
var ErrNotProvisioned = errors.New("not provisioned yet")

// SeedOptions bound what a seed takes from the source. Zero values are the defaults.
type SeedOptions struct {
	Workers        int           // connections that copy side by side; default 4
	BytesPerSecond int64         // of rows read; default unlimited
	MostRunning    int           // the source's Threads_running above which the seed waits; default 64
	ReplicaLag     time.Duration // of the source's own replicas above which the seed waits; default 10s

	prepareFrom int64 // bytes of a table that are worth a prepared statement; default 256 KiB
	waveTables  int   // that are taken up together; default mostWave
}

func (o SeedOptions) withDefaults() SeedOptions {
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
	if o.waveTables <= 0 {
		o.waveTables = mostWave
	}
	return o
}

// limits is what the seed begins with; see Throttle.
func (o SeedOptions) limits() Limits {
	return Limits{Workers: o.Workers, BytesPerSecond: o.BytesPerSecond, MostRunning: o.MostRunning, MostLag: o.ReplicaLag}
}

// Seed is SeedWith the default options.
func Seed(pair Pair) plan.Step { return SeedWith(pair, SeedOptions{}) }

// SeedWith returns the step that makes the first full copy of the pair's data on
// the target, and leaves the target's position at exactly the transactions that
// the copy holds, so that a link can start from there.
//
// Tables are copied in chunks while they are written to (see copier); then the
// source's binlog says which rows have changed meanwhile, and those are read
// again (see rowSync), until little is left; the rest is done inside one
// consistent snapshot, whose position is the target's in the end. Nothing of it
// reaches the target's binlog. Notes on the target, which commit together with the
// rows, say how far it is: after a crash the next try goes on from there. A
// target that is not empty and has no such notes is refused.
func SeedWith(pair Pair, options SeedOptions) plan.Step {
	return plan.Step{
		Name:    "seed-" + pair.Name,
		Summary: fmt.Sprintf("copy all data of %s to %s while it is written to", pair.Source.Name(), pair.Target.Name()),
		Hazards: []plan.Hazard{
			{ID: "H3", Text: "a table that DDL changes during the seed is copied again: freeze schema changes"},
			{ID: "H7", Text: "tables without a key are copied in one snapshot at the end: the source keeps old versions of rows for as long"},
			{ID: "H9", Text: "triggers and events are copied; events stay off on the target until it takes the writes"},
		},
		Op: &seed{pair: pair, options: options.withDefaults()},
	}
}

type seed struct {
	pair    Pair
	options SeedOptions
}

// Check looks for the marker of a finished seed from this source.
func (s *seed) Check(ctx context.Context) (plan.State, error) {
	state, err := s.inspect(ctx)
	if connectionLost(err) {
		err = report.Transient(err, 0)
	}
	return state, err
}

func (s *seed) inspect(ctx context.Context) (plan.State, error) {
	origin, err := identity(ctx, s.pair.Source)
	if err != nil {
		return plan.State{}, err
	}
	db, err := s.pair.Target.DB(ctx)
	if err != nil {
		return plan.State{}, err
	}
	state := plan.State{Want: "a full copy of " + s.pair.Source.Name(), Before: json.RawMessage(`{}`)}
	m, ok, err := readMarker(ctx, db)
	if errors.Is(err, ErrNotProvisioned) {
		state.Unknown, state.Now = true, "the target host is not made yet"
		return state, nil
	}
	switch {
	case err != nil:
		return state, s.pair.Target.wrap("check the seed", err)
	case ok && m.Finished && sameServer(m.Origin, origin):
		state.Done, state.Now = true, "seeded at "+m.GTIDs
	case ok && !sameServer(m.Origin, origin):
		return state, report.WithHint(fmt.Errorf("%s was seeded from another server (%s) than %s is now (%s)",
			s.pair.Target.Name(), m.Origin, s.pair.Source.Name(), origin),
			"a target belongs to one source: undo the other migration, or give this one a target of its own")
	case ok:
		state.Now = "a seed that did not finish"
	default:
		state.Now = "empty"
		return state, s.refuseData(ctx, db)
	}
	return state, nil
}

// refuseData returns an error when the target holds schemas that no seed of ours made.
func (s *seed) refuseData(ctx context.Context, target queryer) error {
	there, err := schemaNames(ctx, target, s.pair.Schemas)
	if err != nil || len(there) == 0 {
		return err
	}
	return report.WithHint(fmt.Errorf("%s already holds %s, which migrate did not make", s.pair.Target.Name(), strings.Join(there, ", ")),
		"drop those schemas on the target if nobody needs them, or leave them out in databases[].schemas")
}

// Apply copies everything, or goes on with what an earlier try left.
func (s *seed) Apply(ctx context.Context) error {
	err := s.once(ctx)
	if errors.Is(err, errSchemaChanged) || errors.Is(err, errTableChanged) || connectionLost(err) {
		return report.Transient(err, 0)
	}
	return s.advise(err)
}

func (s *seed) once(ctx context.Context) error {
	state, err := s.Check(ctx)
	if err != nil {
		return err
	}
	if state.Unknown {
		return fmt.Errorf("seed %s: %w", s.pair.Name, ErrNotProvisioned)
	}
	if state.Done {
		return nil
	}
	if err := s.refuseLog(ctx); err != nil {
		return err
	}
	// First the lock: another seed that runs must not find the target fenced.
	control, err := takeControl(ctx, s.pair.Target)
	if err != nil {
		return err
	}
	defer control.close()
	return s.writable(ctx, func(ctx context.Context) error {
		err := s.copy(ctx, control)
		if errors.Is(err, errSchemaChanged) || errors.Is(err, errStatement) {
			return errors.Join(err, s.clear(ctx)) // nothing of it can be kept
		}
		return s.explainFull(ctx, err)
	})
}

// writable runs do while the target takes writes of ours. Only MySQL's
// super_read_only stands in the way; read_only stays, which keeps applications
// out, and super_read_only comes back with it whatever happens.
func (s *seed) writable(ctx context.Context, do func(context.Context) error) error {
	db, d, err := s.pair.Target.Open(ctx)
	if err != nil {
		return err
	}
	if !d.FenceStopsAdmins() {
		return do(ctx)
	}
	if _, err := db.ExecContext(ctx, "SET GLOBAL super_read_only = 0"); err != nil {
		return s.pair.Target.wrap("let the seed write", err)
	}
	err = do(ctx)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTimeout)
	defer cancel()
	v, readErr := variables(after, db, "read_only")
	if readErr == nil && isOn(v["read_only"]) {
		_, readErr = db.ExecContext(after, "SET GLOBAL super_read_only = 1")
	}
	return errors.Join(err, readErr)
}

// quietly runs do in a session of the target whose statements reach neither its
// binlog nor its general log.
func (s *seed) quietly(ctx context.Context, do func(*Session) error) error {
	session, err := quietSession(ctx, s.pair.Target, Unlogged)
	if err != nil {
		return err
	}
	defer session.Close()
	return do(session)
}

// schemas is what is copied: the pair's schemas, and migrate's own if the source
// has it, because its heartbeat travels by the link and needs its table.
func (s *seed) schemas(ctx context.Context, source queryer) ([]string, error) {
	schemas, err := schemaNames(ctx, source, s.pair.Schemas)
	if err != nil {
		return nil, err
	}
	own, err := schemaNames(ctx, source, []string{ownSchema})
	if err != nil {
		return nil, err
	}
	for _, name := range s.pair.Schemas {
		if !slices.Contains(schemas, name) {
			return nil, report.WithHint(fmt.Errorf("%s has no schema %q", s.pair.Source.Name(), name), "correct databases[].schemas")
		}
	}
	return append(schemas, own...), nil
}

// fingerprint is a hash over every definition of the source: equal before the
// snapshot and after the copy, it proves that no DDL ran between.
func (s *seed) fingerprint(ctx context.Context) (string, error) {
	source, err := s.pair.Source.DB(ctx)
	if err != nil {
		return "", err
	}
	schemas, err := s.schemas(ctx, source)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	defaults, err := schemaStatements(ctx, source)
	if err != nil {
		return "", err
	}
	for _, schema := range schemas {
		fmt.Fprintf(hash, "%q", defaults[schema])
	}
	err = readObjects(ctx, s.pair.Source, schemas, anyKind, pageWaves*s.options.waveTables, func(o object) error {
		fmt.Fprintf(hash, "%q%q%q%q%q", o.Schema, o.Kind, o.Name, o.definition(), o.status())
		return nil
	})
	if err != nil {
		return "", err
	}
	accounts, err := readAccounts(ctx, s.pair.Source)
	if err != nil {
		return "", err
	}
	for _, a := range accounts {
		fmt.Fprintf(hash, "%q%q", a.name(), a.create.Open())
		for _, grant := range a.grants {
			fmt.Fprintf(hash, "%q", grant.Open())
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

package physical

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/report"
)

// Method is how the first full copy of a pair is made.
type Method string

// The ways of a seed.
const (
	MethodAuto  Method = "auto"     // by the files where that can be had and is expected to be faster, else by rows
	MethodRows  Method = "copy"     // by rows, while they are written to
	MethodFiles Method = "physical" // by the server's own files: mariadb-backup, or MySQL's CLONE
)

// Options say how a pair is seeded, and what its files may take.
type Options struct {
	Method         Method        // default WayAuto
	BytesPerSecond int64         // of files read; default unlimited
	MostRunning    int           // the source's Threads_running above which the seed waits; default 64
	ReplicaLag     time.Duration // of the source's own replicas above which the seed waits; default 10s
	// Service stops and starts the target's server; default Systemd on its machine.
	Service Service
	// Dir holds the seed's notes on the target's machine; default /var/lib/migrate.
	Dir string
}

func (o Options) withDefaults(pair replication.Pair) Options {
	if o.Method == "" {
		o.Method = MethodAuto
	}
	if o.MostRunning <= 0 {
		o.MostRunning = 64
	}
	if o.ReplicaLag <= 0 {
		o.ReplicaLag = 10 * time.Second
	}
	if o.Service == nil {
		o.Service = Systemd{pair.Target.Host()}
	}
	if o.Dir == "" {
		o.Dir = "/var/lib/migrate"
	}
	return o
}

// limits is what holds the reading of files back.
func (o Options) limits() throttle.Limits {
	return throttle.Limits{Workers: 1, BytesPerSecond: o.BytesPerSecond, MostRunning: o.MostRunning, MostLag: o.ReplicaLag}
}

// Step returns the step that seeds the pair by rows, which is the given step,
// or by the server's own files, whichever options.Way says. Check tells which it
// is, why, and about how long each would take.
//
// By the files, all of the source arrives: every schema, and the system schema
// with every account. They are received beside the target's data directory while
// its server runs; the server is then stopped, the directories change places and
// it is started again, fenced, with the event scheduler off until each event is
// disabled. Nothing but the two renames stands between the old state and the new,
// and the old directory is kept for Undo until `finish`. What the seed is doing
// is noted on the target's machine, because its server may be down: a try that
// was cut short while it received begins anew, a later one is completed.
func Step(pair replication.Pair, rows plan.Step, options Options) plan.Step {
	step := rows
	options = options.withDefaults(pair)
	switch options.Method {
	case MethodAuto:
		step.Summary += ", or bring its files, where that is faster"
	case MethodFiles:
		step.Summary = fmt.Sprintf("bring the files of %s to %s while it is written to", pair.Source.Name(), pair.Target.Name())
	}
	step.Op = &op{pair: pair, rows: rows.Op, options: options}
	return step
}

// op is the seed with a choice of its way.
type op struct {
	pair    replication.Pair
	rows    plan.Op
	options Options
}

// Check looks for the notes of a seed by files, then for the marker, which both ways leave.
func (p *op) Check(ctx context.Context) (plan.State, error) {
	n, found, err := p.readNotes(ctx)
	if err != nil && !errors.Is(err, replication.ErrNotProvisioned) {
		return plan.State{}, err
	}
	if found && n.Phase != phaseSeeded {
		return plan.State{
			Now: n.Phase.text(), Want: "a full copy of " + p.pair.Source.Name() + " by its files", Before: json.RawMessage(`{}`),
		}, nil
	}
	state, err := p.rows.Check(ctx)
	if err != nil || state.Done {
		return state, err
	}
	if state.Unknown {
		expected, err := p.Expect(ctx)
		expected.Now = state.Now
		return expected, err
	}
	choice, err := p.choose(ctx, true)
	if err != nil {
		return plan.State{}, err
	}
	state.Want = "a full copy of " + p.pair.Source.Name() + " " + choice.text()
	state.Hazards = append(state.Hazards, choice.hazards...)
	return state, nil
}

// Expect says what Check would while the target is not made yet: which way the
// pair is expected to take, as far as the source tells. That it does not answer is
// no matter of this step, but of those before; that files which the operator
// asked for cannot be had is.
func (p *op) Expect(ctx context.Context) (plan.State, error) {
	choice, err := p.choose(ctx, false)
	if errors.Is(err, errCannotUseFiles) {
		return plan.State{}, err
	}
	if err != nil {
		return plan.State{Unknown: true, Want: "a full copy of " + p.pair.Source.Name() + ", in a way that the source does not tell"}, nil //nolint:nilerr // an earlier step says it
	}
	return plan.State{Unknown: true, Want: "a full copy of " + p.pair.Source.Name() + " " + choice.text(), Hazards: choice.hazards}, nil
}

// Apply completes what an earlier try has begun, or chooses the way and goes it.
func (p *op) Apply(ctx context.Context) error {
	n, found, err := p.readNotes(ctx)
	if err != nil {
		return err
	}
	if found && n.Phase != phaseSeeded {
		origin, err := replication.Identity(ctx, p.pair.Source)
		if err != nil {
			return err
		}
		if !replication.SameServer(n.Origin, origin) {
			return report.WithHint(fmt.Errorf("%s holds an unfinished seed from another server (%s)", p.pair.Target.Name(), n.Origin),
				"undo that migration first (migrate rollback --all)")
		}
		if n.Phase == phaseSwapping {
			report.Note(ctx, "the files of %s have all been received: the seed goes on with their start", p.pair.Source.Name())
			return p.complete(ctx, n)
		}
		report.Note(ctx, "%s; it begins again", n.Phase.text())
		if err := p.restoreTarget(ctx, n); err != nil {
			return err
		}
	}
	state, err := p.rows.Check(ctx)
	if err != nil {
		return err
	}
	if state.Unknown {
		return fmt.Errorf("seed %s: %w", p.pair.Name, replication.ErrNotProvisioned)
	}
	if state.Done {
		return nil
	}
	choice, err := p.choose(ctx, true)
	if err != nil {
		return err
	}
	report.Note(ctx, "%s is copied %s", p.pair.Source.Name(), choice.text())
	if choice.method == MethodRows {
		return p.rows.Apply(ctx)
	}
	control, err := seed.TakeControl(ctx, p.pair.Target) // a worker on the target may have outlived its controller
	if err != nil {
		return err
	}
	control.Close()
	n, err = p.receive(ctx, choice)
	if err != nil {
		return report.WithHint(err, "the target's own data is untouched; run the command again, or set seed: copy for %s in migration.yaml", p.pair.Name)
	}
	return p.complete(ctx, n)
}

// Verify asks for the notes' end, then for what both ways leave.
func (p *op) Verify(ctx context.Context) error {
	n, found, err := p.readNotes(ctx)
	if err != nil {
		return err
	}
	if found && n.Phase != phaseSeeded {
		return fmt.Errorf("verify the seed of %s: %s", p.pair.Name, n.Phase.text())
	}
	return p.rows.Verify(ctx)
}

// Undo gives the target its old data directory back, or takes the copy of rows back.
func (p *op) Undo(ctx context.Context, before json.RawMessage) error {
	n, found, err := p.readNotes(ctx)
	if errors.Is(err, replication.ErrNotProvisioned) {
		return nil
	}
	if err != nil {
		return err
	}
	if !found {
		return p.rows.Undo(ctx, before)
	}
	return p.restoreTarget(ctx, n)
}

// restoreTarget leaves the target's server on its own data, and nothing else behind.
func (p *op) restoreTarget(ctx context.Context, n notes) error {
	if n.Phase == phaseReceiving {
		return p.discard(ctx, n)
	}
	return p.restoreData(ctx, n)
}

// phase is how far a seed by files is.
type phase string

const (
	phaseReceiving phase = "receiving" // the server runs on its own data; a new try begins from scratch
	phaseSwapping  phase = "swapping"  // all is received; the directories may or may not have changed places
	phaseSeeded    phase = "seeded"    // the old data directory is kept
	phaseReturning phase = "returning" // the old data directory is being put back
)

func (p phase) text() string {
	switch p {
	case phaseReceiving:
		return "a seed by files was cut short while it received them"
	case phaseSwapping:
		return "a seed by files was cut short when they had been received"
	case phaseReturning:
		return "the undo of a seed by files was cut short"
	}
	return "seeded by files"
}

// notes stand on the target's machine from before the first change on.
// They hold no secret.
type notes struct {
	Phase    phase          `json:"phase"`
	Origin   string         `json:"origin"` // the source's identity
	Flavor   dialect.Flavor `json:"flavor"`
	Dir      string         `json:"dir"` // the data directory, without symbolic links
	Received string         `json:"new"` // the name of what is received, in Dir + besideSuffix; of this try only
	Unit     string         `json:"unit"`
	GTIDs    string         `json:"gtids,omitempty"` // MariaDB: what the files hold

	Globals         map[string]string `json:"globals"`        // of the target, to be put back: what was running
	Persisted       map[string]string `json:"kept,omitempty"` // and what was to come back after a restart, by our topic
	SourceHadPlugin bool              `json:"plugin"`         // MySQL: the source had the plugin clone before
	TargetHadPlugin bool              `json:"here"`           // and the target
}

// besideSuffix is added to the data directory's name for what is kept beside it.
const besideSuffix = ".migrate"

func (n notes) beside() string { return n.Dir + besideSuffix }

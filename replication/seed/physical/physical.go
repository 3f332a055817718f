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
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/replication/used"
	"github.com/dcmigrate/migrate/report"
)

// Method is how the first full copy of a pair is made.
type Method string

// The methods of a seed.
const (
	MethodAuto  Method = "auto"     // by files if they can be used, else by rows
	MethodRows  Method = "copy"     // by rows, while the source is written to
	MethodFiles Method = "physical" // by the server's files: mariadb-backup, or MySQL's CLONE
)

// Options say how a pair is seeded, and what its files may take.
type Options struct {
	Method         Method        // default MethodAuto
	BytesPerSecond int64         // of files read; default unlimited
	MostRunning    int           // the source's Threads_running above which the seed waits; default 64
	ReplicaLag     time.Duration // of the source's own replicas above which the seed waits; default 10s
	// Service stops and starts the target's server; default the systemd of its host.
	Service Service
	// Dir holds the seed's notes on the target's host; default /var/lib/migrate.
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
		o.Service = systemd{pair.Target.Host()}
	}
	if o.Dir == "" {
		o.Dir = "/var/lib/migrate"
	}
	return o
}

// limits holds back the reading of files.
func (o Options) limits() throttle.Limits {
	return throttle.Limits{Workers: 1, BytesPerSecond: o.BytesPerSecond, MostRunning: o.MostRunning, MostLag: o.ReplicaLag}
}

// Step returns the step that seeds the pair by rows, with the given step, or by the
// server's own files, as options.Method says. Its Check tells the method, the reason, and
// about how long each method would take.
//
// By files everything of the source arrives: every schema, and the system schema with
// every account. The files are received beside the target's data directory while its
// server runs. Then the server is stopped, the directories change places, and the server
// is started again, fenced, with the event scheduler off until each event is disabled.
// Only the two renames lie between the old state and the new one, and Undo can restore the
// old directory until `finish`. The seed's notes are on the target's host, because its
// server may be down. An attempt that was interrupted while it received starts over; a
// later one is completed.
func Step(pair replication.Pair, rows plan.Step, options Options) plan.Step {
	step := rows
	options = options.withDefaults(pair)
	switch options.Method {
	case MethodAuto:
		step.Summary += ", or bring its files, where they can be had"
	case MethodFiles:
		step.Summary = fmt.Sprintf("bring the files of %s to %s while it is written to", pair.Source.Name(), pair.Target.Name())
	}
	step.Op = &op{pair: pair, rows: rows.Op, options: options}
	return step
}

// op is a seed whose method is still to be chosen.
type op struct {
	pair    replication.Pair
	rows    plan.Op
	options Options
}

// Check looks for the notes of a seed by files, then for the marker that both methods
// leave.
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

// Expect returns what Check would if the target existed: the method that the pair is
// expected to take, as far as the source tells. A source that does not answer is no error
// here, because earlier steps report it. It is an error if the operator asked for files
// that cannot be used.
func (p *op) Expect(ctx context.Context) (plan.State, error) {
	choice, err := p.choose(ctx, false)
	if errors.Is(err, errCannotUseFiles) {
		return plan.State{}, err
	}
	if err != nil {
		return plan.State{Unknown: true, Want: "a full copy of " + p.pair.Source.Name() + "; its method is chosen when the source answers"}, nil //nolint:nilerr // an earlier step reports it
	}
	return plan.State{Unknown: true, Want: "a full copy of " + p.pair.Source.Name() + " " + choice.text(), Hazards: choice.hazards}, nil
}

// Apply completes what an earlier attempt has begun, or chooses the method and copies.
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
			report.Note(ctx, "the files of %s have all been received: the target is started with them", p.pair.Source.Name())
			return p.complete(ctx, n)
		}
		report.Note(ctx, "%s; it starts over", n.Phase.text())
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
	lead, err := control.Take(ctx, p.pair.Target) // fails while a worker on the target is still running without its controller
	if err != nil {
		return err
	}
	lead.Close()
	n, err = p.receive(ctx, choice)
	if err != nil {
		return report.WithHint(err, "the target's own data is untouched; run the command again, or set seed: copy for %s in migration.yaml", p.pair.Name)
	}
	return p.complete(ctx, n)
}

// Verify checks that the notes say seeded, then what both methods leave.
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

// Undo gives the target its old data directory back, or undoes the seed by rows.
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

// restoreTarget returns the target's server to its own data and removes everything else.
func (p *op) restoreTarget(ctx context.Context, n notes) error {
	if n.Phase == phaseReceiving {
		return p.discard(ctx, n)
	}
	if n.Phase == phaseSeeded { // else its server may not run, and has served nobody
		if err := used.Refuse(ctx, p.pair); err != nil {
			return err
		}
	}
	return p.restoreData(ctx, n)
}

// phase is how far a seed by files is.
type phase string

const (
	phaseReceiving phase = "receiving" // the server runs on its own data; a new attempt starts over
	phaseSwapping  phase = "swapping"  // everything is received; the directories may or may not have changed places
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

// notes are stored on the target's host from before the first change on. They hold no
// secret.
type notes struct {
	Phase    phase          `json:"phase"`
	Origin   string         `json:"origin"` // the source's identity
	Flavor   dialect.Flavor `json:"flavor"`
	Dir      string         `json:"dir"` // the data directory, with symbolic links resolved
	Received string         `json:"new"` // this attempt's name for what is received, in Dir + besideSuffix
	Unit     string         `json:"unit"`
	GTIDs    string         `json:"gtids,omitempty"` // MariaDB: the position of the files

	Globals         map[string]string `json:"globals"`        // the target's running values, to be restored
	Persisted       map[string]string `json:"kept,omitempty"` // the target's persisted values, to be restored
	SourceHadPlugin bool              `json:"plugin"`         // MySQL: the source had the plugin clone before
	TargetHadPlugin bool              `json:"here"`           // MySQL: the target had it before
}

// besideSuffix is appended to the data directory's name for the folder beside it.
const besideSuffix = ".migrate"

func (n notes) beside() string { return n.Dir + besideSuffix }

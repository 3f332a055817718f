package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/report"
)

// Worker is how a seed runs on the target's own host, so that the rows pass
// neither through the controller nor over its network.
type Worker struct {
	// Program is this program's own file; it is copied to the host.
	Program string
	// Command are the arguments that make of it a worker: it then calls
	// RunSeedWorker with the folder that follows them, or, with --check before
	// them, CheckSeedWorker.
	Command []string
	// RunDir and LibDir are the folders on the host; default /run/migrate and
	// /var/lib/migrate. The program stands in the second, because many systems
	// let nothing be executed below /run.
	RunDir, LibDir string
}

// Step is SeedWith by a worker on the target's host. The worker is a
// transient systemd unit: it does not end with the controller's connection, and
// its name lets no second one run; the next Apply finds it there and follows it.
// It is handed its logins through a pipe in memory. On the target it logs in as
// migrate does, by the socket; on the source by an account that exists only for
// as long, over the network leg that the forward link takes. What has come of it
// the marker on the target says, as with every seed.
func Step(pair replication.Pair, options seed.Options, w Worker) plan.Step {
	if w.RunDir == "" {
		w.RunDir = "/run/migrate"
	}
	if w.LibDir == "" {
		w.LibDir = "/var/lib/migrate"
	}
	step := seed.StepWith(pair, options)
	step.Summary += ", by a worker on the target's host"
	step.Op = &seedOnTarget{Op: &seed.Op{Pair: pair, Options: options.WithDefaults()}, worker: w}
	return step
}

type seedOnTarget struct {
	*seed.Op
	worker Worker
}

// unit is the name of the worker's unit: one for each pair.
func (s *seedOnTarget) unit() string { return "migrate-seed-" + s.Pair.Name + ".service" }

func (s *seedOnTarget) runDir() string { return s.worker.RunDir + "/seed-" + s.Pair.Name }

func (s *seedOnTarget) libDir() string { return s.worker.LibDir + "/seed-" + s.Pair.Name }

// account is the worker's login on the source: it reads everything, and changes nothing.
func (s *seedOnTarget) account(ctx context.Context) (account.Login, error) {
	return account.WorkerAccount(ctx, s.Pair.Source)
}

// host is the target's machine.
func (s *seedOnTarget) host() (remote.Host, error) {
	host := s.Pair.Target.Host()
	if host == nil {
		return nil, report.WithHint(fmt.Errorf("run the seed of %s on its target: the machine cannot be reached", s.Pair.Name),
			"set databases[].run_on: controller")
	}
	return host, nil
}

// Check is that of every seed; a worker that has ended must be cleaned up, too.
func (s *seedOnTarget) Check(ctx context.Context) (plan.State, error) {
	state, err := s.Op.Check(ctx)
	if err != nil || state.Unknown {
		return state, err
	}
	left, err := s.left(ctx)
	if err != nil {
		return state, err
	}
	switch {
	case state.Done && left != "":
		state.Done = false
		state.Now += ", and the worker has left " + left
	case left == leftUnit:
		state.Now = "a worker on the target's host is at work"
	}
	return state, nil
}

// Apply starts the worker, or finds it at work, and follows it to its end.
func (s *seedOnTarget) Apply(ctx context.Context) error {
	state, err := s.Op.Check(ctx)
	if err != nil {
		return err
	}
	if state.Unknown {
		return fmt.Errorf("seed %s: %w", s.Pair.Name, replication.ErrNotProvisioned)
	}
	if state.Done {
		return s.cleanUp(ctx)
	}
	f := &follower{seedOnTarget: s}
	seen, err := f.look(ctx)
	if err != nil {
		return err
	}
	if seen.alive {
		report.Note(ctx, "the worker %s runs on the target's host: it is followed", s.unit())
	} else {
		if seen.end != nil && seen.end.Error != "" {
			report.Note(ctx, "the worker %s had ended: %s", s.unit(), seen.end.Error)
		}
		if err := s.start(ctx); err != nil {
			return err
		}
		f.offset = 0
	}
	if err := f.follow(ctx); err != nil {
		return err
	}
	return s.cleanUp(ctx)
}

// Undo ends the worker first: nothing of what it makes may come after.
func (s *seedOnTarget) Undo(ctx context.Context, before json.RawMessage) error {
	if err := s.cleanUp(ctx); err != nil && !errors.Is(err, replication.ErrNotProvisioned) {
		return err
	}
	return s.Op.Undo(ctx, before)
}

// What a worker can have left.
const (
	leftNothing = ""
	leftUnit    = "its unit"
	leftFiles   = "its files"
)

// left asks the host and the source for what is there of a worker.
func (s *seedOnTarget) left(ctx context.Context) (string, error) {
	out, err := s.run(ctx, `
if active; then echo unit
elif [ -e "$run" ] || [ -e "$lib" ]; then echo files
fi`, nil)
	if err != nil {
		return "", err
	}
	switch out {
	case "unit":
		return leftUnit, nil
	case "files":
		return leftFiles, nil
	}
	account, err := s.account(ctx)
	if err != nil {
		return "", err
	}
	hosts, err := account.Hosts(ctx)
	if err != nil {
		return "", err
	}
	if len(hosts) > 0 {
		return "its account on " + s.Pair.Source.Name(), nil
	}
	return leftNothing, nil
}

// cleanUp ends the worker and takes away its account and its files, those last:
// what was cut short is seen by Check.
func (s *seedOnTarget) cleanUp(ctx context.Context) error {
	_, runErr := s.run(ctx, `systemctl stop "$unit" 2>/dev/null; ! active`, nil)
	if runErr != nil && !errors.Is(runErr, replication.ErrNotProvisioned) {
		return fmt.Errorf("stop the worker %s: %w", s.unit(), runErr)
	}
	account, err := s.account(ctx)
	if err != nil {
		return err
	}
	if err := account.Drop(ctx); err != nil {
		return err
	}
	if runErr != nil {
		return runErr // there is no host that has files
	}
	_, err = s.run(ctx, `rm -rf "$run" "$lib" && { rmdir "${lib%/*}" 2>/dev/null || :; }`, nil)
	return err
}

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

// Config says how the worker's program gets to the target's host and is started there.
type Config struct {
	// Program is the path of this program's own file, which is copied to the host.
	Program string
	// Command holds the arguments that make the program a worker: it calls Run with
	// the folder that follows them, or Check if --check follows.
	Command []string
	// RunDir and LibDir are folders on the host; default /run/migrate and
	// /var/lib/migrate. The program is stored in LibDir, because many systems mount
	// /run with noexec.
	RunDir, LibDir string
}

// Step returns seed.StepWith's step, run by a worker on the target's host. The worker
// is a transient systemd unit: it survives the controller's connection, and its name
// prevents a second one. The next Apply finds it and follows it. It gets its logins
// through a pipe in memory. On the target it logs in as migrate does, by the socket;
// on the source with an account that exists only for this seed, over the route
// that the forward link takes. As with every seed, the marker on the target tells
// whether it has finished.
func Step(pair replication.Pair, options seed.Options, w Config) plan.Step {
	if w.RunDir == "" {
		w.RunDir = "/run/migrate"
	}
	if w.LibDir == "" {
		w.LibDir = "/var/lib/migrate"
	}
	step := seed.StepWith(pair, options)
	step.Summary += ", by a worker on the target's host"
	step.Op = &op{Op: &seed.Op{Pair: pair, Options: options.WithDefaults()}, config: w}
	return step
}

type op struct {
	*seed.Op
	config Config
}

// unit is the name of the worker's unit. Each pair has its own.
func (s *op) unit() string { return "migrate-seed-" + s.Pair.Name + ".service" }

func (s *op) runDir() string { return s.config.RunDir + "/seed-" + s.Pair.Name }

func (s *op) libDir() string { return s.config.LibDir + "/seed-" + s.Pair.Name }

// account is the worker's login on the source. It may read everything and change nothing.
func (s *op) account(ctx context.Context) (account.Login, error) {
	return account.WorkerLogin(ctx, s.Pair.Source)
}

// host returns the target's host, or an error if the configuration has no way to reach it.
func (s *op) host() (remote.Host, error) {
	host := s.Pair.Target.Host()
	if host == nil {
		return nil, report.WithHint(fmt.Errorf("run the seed of %s on its target: the machine cannot be reached", s.Pair.Name),
			"set databases[].run_on: controller")
	}
	return host, nil
}

// Check is the check of every seed. In addition, nothing of a worker may be left.
func (s *op) Check(ctx context.Context) (plan.State, error) {
	state, err := s.Op.Check(ctx)
	if err != nil || state.Unknown {
		return state, err
	}
	left, err := s.leftovers(ctx)
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
func (s *op) Apply(ctx context.Context) error {
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
	f := &follower{op: s}
	seen, err := f.poll(ctx)
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

// Undo ends the worker first: it must not write to the target after the undo.
func (s *op) Undo(ctx context.Context, before json.RawMessage) error {
	if err := s.cleanUp(ctx); err != nil && !errors.Is(err, replication.ErrNotProvisioned) {
		return err
	}
	return s.Op.Undo(ctx, before)
}

// What a worker can leave behind.
const (
	leftNothing = ""
	leftUnit    = "its unit"
	leftFiles   = "its files"
)

// leftovers says in words what is left of a worker on the host and the source, or "".
func (s *op) leftovers(ctx context.Context) (string, error) {
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

// cleanUp ends the worker and removes its account and then its files. Check notices
// whatever an interrupted cleanUp left.
func (s *op) cleanUp(ctx context.Context) error {
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
		return runErr // without a host there are no files
	}
	_, err = s.run(ctx, `rm -rf "$run" "$lib" && { rmdir "${lib%/*}" 2>/dev/null || :; }`, nil)
	return err
}

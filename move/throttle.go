package move

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
)

// SeedWorkerVerb is the hidden verb of a seed's worker on the target's host.
const SeedWorkerVerb = "seed-worker"

// seedWorker is this program as a worker.
func seedWorker() replication.SeedWorker {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0] // to copy it says what is wrong with it
	}
	return replication.SeedWorker{Program: path, Command: []string{SeedWorkerVerb}}
}

// NoDatabaseError is a database that the configuration does not name.
type NoDatabaseError struct{ Name string }

func (e *NoDatabaseError) Error() string { return fmt.Sprintf("no database is named %q", e.Name) }

// Seeds lists the seeds that run now, wherever they do. It takes no lock.
func (m *Move) Seeds(ctx context.Context) ([]replication.SeedState, error) {
	return m.eachSeed(ctx, "", replication.RunningSeed)
}

// Throttle changes the limits of the running seed of a database, or of all that
// run, and returns them. It takes no lock: the verb that seeds holds it.
func (m *Move) Throttle(ctx context.Context, database string, change replication.LimitsChange) ([]replication.SeedState, error) {
	states, err := m.eachSeed(ctx, database, func(ctx context.Context, p replication.Pair) (replication.SeedState, bool, error) {
		state, err := replication.Throttle(ctx, p, change)
		if errors.Is(err, replication.ErrNoSeed) {
			return state, false, nil
		}
		return state, true, err
	})
	if err != nil || len(states) > 0 {
		return states, err
	}
	what := "no seed is running"
	if database != "" {
		what = "no seed of " + database + " is running"
	}
	return nil, verb.Refuse("migrate apply begins one with the limits of databases[].throttle; a seed by files keeps those", "%s", what)
}

// eachSeed asks the targets of all pairs, or of one, that are there.
func (m *Move) eachSeed(ctx context.Context, database string, ask func(context.Context, replication.Pair) (replication.SeedState, bool, error)) ([]replication.SeedState, error) {
	var states []replication.SeedState
	var names []string
	known := database == ""
	for _, p := range m.pairs {
		names = append(names, p.Name)
		if database != "" && p.Name != database {
			continue
		}
		known = true
		state, ok, err := ask(ctx, p)
		if errors.Is(err, provision.ErrNotProvisioned) {
			continue
		}
		if err != nil {
			return states, err
		}
		if ok {
			states = append(states, state)
		}
	}
	if !known {
		return nil, report.WithHint(&NoDatabaseError{database}, "databases are %s", strings.Join(names, ", "))
	}
	return states, nil
}

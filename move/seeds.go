package move

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/move/pairs"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/report"
)

// NoDatabaseError is a database that the configuration does not name.
type NoDatabaseError struct{ Name string }

func (e *NoDatabaseError) Error() string { return fmt.Sprintf("no database is named %q", e.Name) }

// Seeds are the running seeds, here or on the targets' hosts. Its methods do not take
// the lock: apply holds it meanwhile.
type Seeds struct {
	pairs pairs.Pairs
	lead  leadership
}

// running lists the running seeds.
func (s *Seeds) running(ctx context.Context) ([]control.State, error) {
	return s.each(ctx, "", control.Running)
}

// Throttle changes the limits of the running seed of a database, or of all running
// seeds, and returns those seeds.
func (s *Seeds) Throttle(ctx context.Context, database string, change control.LimitsChange) ([]control.State, error) {
	if change != (control.LimitsChange{}) {
		if err := s.lead.check(ctx); err != nil {
			return nil, err
		}
	}
	states, err := s.each(ctx, database, func(ctx context.Context, p replication.Pair) (control.State, bool, error) {
		state, err := control.ChangeLimits(ctx, p, change)
		if errors.Is(err, control.ErrNoSeed) {
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

// each asks the targets of all pairs, or of one. It skips those that do not exist yet.
func (s *Seeds) each(ctx context.Context, database string, ask func(context.Context, replication.Pair) (control.State, bool, error)) ([]control.State, error) {
	var states []control.State
	var names []string
	known := database == ""
	for _, p := range s.pairs {
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

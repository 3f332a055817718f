package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
)

// Store keeps the last verify of a pair.
type Store interface {
	// LastVerify returns the last saved report; ok is false when there is none.
	LastVerify(ctx context.Context, pair string) (report Report, ok bool, err error)
	// SaveVerify keeps a report.
	SaveVerify(ctx context.Context, report Report) error
}

// Fresh returns the gate that holds if the last verify of the pair, with writes on the
// side from, was clean and is younger than age. If it does not hold, applying it runs a
// new verify, and fails if that finds a difference.
func Fresh(pair replication.Pair, from replication.Side, store Store, age time.Duration) plan.Step {
	return plan.Step{
		Name:    "verify-" + pair.Name,
		Summary: fmt.Sprintf("every row of %s agrees on both sides, verified in the last %s", pair.Name, age),
		Gate:    true,
		Op:      &freshGate{pair: pair, from: from, store: store, age: age},
	}
}

// freshGate is the operation of Fresh.
type freshGate struct {
	plan.ReadOnly
	pair  replication.Pair
	from  replication.Side
	store Store
	age   time.Duration
}

// Check reads the last report.
func (g *freshGate) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: fmt.Sprintf("a clean verify younger than %s", g.age)}
	err := g.fresh(ctx)
	state.Done, state.Now = err == nil, "verified and clean"
	var stale *staleError
	if errors.As(err, &stale) {
		state.Now, err = stale.Error(), nil
	}
	return state, err
}

// staleError says why the last verify does not count.
type staleError struct{ why string }

func (e *staleError) Error() string { return e.why }

// fresh returns a staleError if the last verify does not count.
func (g *freshGate) fresh(ctx context.Context) error {
	last, ok, err := g.store.LastVerify(ctx, g.pair.Name)
	switch {
	case err != nil:
		return fmt.Errorf("read the last verify of %s: %w", g.pair.Name, err)
	case !ok:
		return &staleError{"not verified since the rows were copied or the writers changed sides"}
	case !last.Whole():
		return &staleError{"the last verify compared a part only"}
	case last.From != g.from:
		return &staleError{fmt.Sprintf("last verified with the writes on the %s", last.From)}
	case !last.Clean():
		return &staleError{fmt.Sprintf("the last verify found %d differences", last.Found)}
	case time.Since(last.Finished) > g.age:
		return &staleError{fmt.Sprintf("the last clean verify is older than %s", g.age)}
	}
	return g.requireSameStarts(ctx, last)
}

// sameStart is how far two readings of one start may be apart, in seconds.
const sameStart = 3

// requireSameStarts returns a staleError if a server has started since the verify (H20).
func (g *freshGate) requireSameStarts(ctx context.Context, last Report) error {
	now, err := starts(ctx, g.pair)
	if err != nil {
		return err
	}
	for side, started := range now {
		was, ok := last.Starts[side]
		if d := started - was; !ok || d > sameStart || d < -sameStart {
			return &staleError{fmt.Sprintf("%s has been restarted since the last verify", g.pair.Of(side).Name())}
		}
	}
	return nil
}

// starts reads when both servers of a pair started.
func starts(ctx context.Context, pair replication.Pair) (map[replication.Side]int64, error) {
	out := map[replication.Side]int64{}
	for _, s := range []*replication.Server{pair.Source, pair.Target} {
		db, err := s.DB(ctx)
		if err != nil {
			return nil, err
		}
		if out[s.Side()], err = setting.StartedAt(ctx, db); err != nil {
			return nil, s.Wrap("read the start of the server", err)
		}
	}
	return out, nil
}

// Apply verifies unless the last verify is fresh.
func (g *freshGate) Apply(ctx context.Context) error {
	err := g.fresh(ctx)
	var stale *staleError
	if !errors.As(err, &stale) {
		return err
	}
	report.Note(ctx, "%s: %s; verifying now", g.pair.Name, stale.why)
	verified, err := Run(ctx, g.pair, Options{From: g.from})
	if err != nil {
		return err
	}
	if err := g.store.SaveVerify(ctx, verified); err != nil {
		return fmt.Errorf("save the verify of %s: %w", g.pair.Name, err)
	}
	report.Note(ctx, "%s: %s", g.pair.Name, verified.Summary())
	return g.Verify(ctx)
}

// Verify holds if the saved report is fresh and clean.
func (g *freshGate) Verify(ctx context.Context) error {
	err := g.fresh(ctx)
	if err == nil {
		return nil
	}
	last, ok, loadErr := g.store.LastVerify(ctx, g.pair.Name)
	if loadErr == nil && ok && !last.Clean() {
		var lines []string
		for _, d := range last.Differences[:min(3, len(last.Differences))] {
			lines = append(lines, d.String())
		}
		err = fmt.Errorf("%w: %s", err, strings.Join(lines, "; "))
	}
	return report.WithHint(fmt.Errorf("%s: %w", g.pair.Name, err), "migrate verify lists every difference")
}

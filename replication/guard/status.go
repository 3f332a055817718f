package guard

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
)

// Status is the guard of a switch that stands on a machine now: one that
// is under way, or one that died.
type Status struct {
	// Server is the one whose machine the guard is on: the side that is left.
	Server string `json:"server"`
	Host   string `json:"host"`
	// State is the guard's, see docs/protocols.md; "" is no guard.
	State string `json:"state,omitempty"`
	Alive bool   `json:"alive"`
	// Opens is the server that the guard makes writable at Deadline, by the
	// controller's clock; "" where it opens none.
	Opens    string        `json:"opens,omitempty"`
	Deadline time.Time     `json:"deadline,omitzero"`
	Left     time.Duration `json:"left_ns,omitempty"` // until then; negative once it has passed
	Error    string        `json:"error,omitempty"`
}

// Statuses reads the guards of both directions of a pair, those that are there.
func Statuses(ctx context.Context, g Guard) []Status {
	both := []Guard{g, g.opposite()}
	found := make([]*Status, len(both))
	var group errgroup.Group
	for i, one := range both {
		group.Go(func() error { found[i] = one.status(ctx); return nil })
	}
	_ = group.Wait() // its functions return nil: the errors are in the status
	var out []Status
	for _, s := range found {
		if s != nil {
			out = append(out, *s)
		}
	}
	return out
}

// status is nil where there is no guard.
func (g Guard) status(ctx context.Context) *Status {
	if g.From.Host() == nil {
		return nil
	}
	out := &Status{Server: g.From.Name(), Host: g.From.Host().Name()}
	state, err := g.state(ctx)
	switch {
	case errors.Is(err, replication.ErrNotProvisioned):
		return nil
	case err != nil:
		out.Error = err.Error()
		return out
	case state.token == tokenNone:
		return nil
	}
	out.State, out.Alive = string(state.token), state.alive
	if promised := g.promises(state.token); promised != nil {
		out.Opens, out.Left = promised.Name(), state.left
		out.Deadline = time.Now().Add(state.left).UTC().Truncate(time.Second)
	}
	return out
}

package guard

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
)

// Status is the guard of a switch that is under way or was interrupted.
type Status struct {
	// Server is the server that the writers leave. The guard is on its host.
	Server string `json:"server"`
	Host   string `json:"host"`
	// State is a state of docs/protocols.md; "" is unknown, see Error.
	State string `json:"state,omitempty"`
	Alive bool   `json:"alive"`
	// Opens is the server that the guard makes writable at Deadline, by the
	// controller's clock; "" is none.
	Opens    string        `json:"opens,omitempty"`
	Deadline time.Time     `json:"deadline,omitzero"`
	Left     time.Duration `json:"left_ns,omitempty"` // until Deadline; negative once it has passed
	Error    string        `json:"error,omitempty"`
}

// Statuses reads the guards of both directions of a pair. It lists those that exist and
// those that cannot be read.
func Statuses(ctx context.Context, g Guard) []Status {
	guards := []Guard{g, g.opposite()}
	found := make([]*Status, len(guards))
	var group errgroup.Group
	for i, g := range guards {
		group.Go(func() error { found[i] = g.status(ctx); return nil })
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

// status reads the guard; nil is no guard.
func (g Guard) status(ctx context.Context) *Status {
	if g.From.Host() == nil {
		return nil
	}
	out := &Status{Server: g.From.Name(), Host: g.From.Host().Name()}
	state, err := g.read(ctx)
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
		out.Opens, out.Left = promised.Name(), state.remaining
		out.Deadline = time.Now().Add(state.remaining).UTC().Truncate(time.Second)
	}
	return out
}

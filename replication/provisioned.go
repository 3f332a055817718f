package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/plan"
)

// WhenProvisioned is an Op on servers whose machine an earlier step may yet have to
// make: until then Check says Unknown, and there is nothing to undo.
type WhenProvisioned struct{ plan.Op }

// Check says Unknown while a machine is missing.
func (o WhenProvisioned) Check(ctx context.Context) (plan.State, error) {
	state, err := o.Op.Check(ctx)
	if errors.Is(err, ErrNotProvisioned) {
		return plan.State{Unknown: true, Now: "the target host is not made yet"}, nil
	}
	return state, err
}

// Undo has nothing to do while a machine is missing.
func (o WhenProvisioned) Undo(ctx context.Context, before json.RawMessage) error {
	err := o.Op.Undo(ctx, before)
	if errors.Is(err, ErrNotProvisioned) {
		return nil
	}
	return err
}

// RequireProvisioned returns ErrNotProvisioned while the server's machine is missing. That it
// does not answer is not its matter.
func (s *Server) RequireProvisioned(ctx context.Context) error {
	if _, err := s.Dialect(ctx); errors.Is(err, ErrNotProvisioned) {
		return err
	}
	return nil
}

// ReadBefore reads a before-image; none is the zero image.
func ReadBefore(before json.RawMessage, image any) error {
	if len(before) == 0 {
		return nil
	}
	if err := json.Unmarshal(before, image); err != nil {
		return fmt.Errorf("read the before-image: %w", err)
	}
	return nil
}

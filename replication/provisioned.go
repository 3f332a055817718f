package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/plan"
)

// WhenProvisioned is an Op on servers whose host may not exist yet, because an earlier
// step creates it.
type WhenProvisioned struct{ plan.Op }

// Check says Unknown while the host does not exist.
func (o WhenProvisioned) Check(ctx context.Context) (plan.State, error) {
	state, err := o.Op.Check(ctx)
	if errors.Is(err, ErrNotProvisioned) {
		return plan.State{Unknown: true, Now: "the target host is not made yet"}, nil
	}
	return state, err
}

// Decided asks the Op if it is a plan.Decider.
func (o WhenProvisioned) Decided(ctx context.Context) (bool, error) {
	if d, ok := o.Op.(plan.Decider); ok {
		return d.Decided(ctx)
	}
	return false, nil
}

// Undo does nothing while the host does not exist.
func (o WhenProvisioned) Undo(ctx context.Context, before json.RawMessage) error {
	err := o.Op.Undo(ctx, before)
	if errors.Is(err, ErrNotProvisioned) {
		return nil
	}
	return err
}

// RequireProvisioned returns ErrNotProvisioned if the server's host does not exist yet.
// It does not check that the server answers.
func (s *Server) RequireProvisioned(ctx context.Context) error {
	if _, err := s.Dialect(ctx); errors.Is(err, ErrNotProvisioned) {
		return err
	}
	return nil
}

// ReadBefore reads a step's before-image into image. Without one, image stays as it is.
func ReadBefore(before json.RawMessage, image any) error {
	if len(before) == 0 {
		return nil
	}
	if err := json.Unmarshal(before, image); err != nil {
		return fmt.Errorf("read the before-image: %w", err)
	}
	return nil
}

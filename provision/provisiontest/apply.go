package provisiontest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// Apply applies and verifies a step as the runner does: after a transient error it
// checks again, and applies again if the step is not done.
func Apply(t testing.TB, step plan.Step) {
	t.Helper()
	require.NoError(t, applyWithRetries(t.Context(), step))
	require.NoError(t, step.Op.Verify(t.Context()))
}

func applyWithRetries(ctx context.Context, step plan.Step) error {
	for range 6 {
		state, err := step.Op.Check(ctx)
		if err == nil && !state.Done {
			err = step.Op.Apply(ctx)
		}
		var transient *report.TransientError
		if !errors.As(err, &transient) {
			return err
		}
	}
	return errors.New("still failing after six attempts")
}

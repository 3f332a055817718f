// Package plantest holds the exercise that every kind of step goes through,
// with the real thing behind it.
package plantest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
)

// Exercise starts the step, takes it back, starts it again and completes it,
// checking at each point what the engine relies on: Check only reads and is
// stable, everything can be repeated, Undo restores the before-image, Apply
// survives being cut short. It leaves the step applied. The world must be such
// that the step is not done yet.
func Exercise(t *testing.T, step plan.Step) {
	t.Helper()
	ctx, op := t.Context(), step.Op
	require.NotEmpty(t, step.Name, "a step needs a name")
	require.NotEmpty(t, step.Summary, "a step needs a summary")

	if step.Gate {
		exerciseGate(t, step)
		return
	}
	before := check(t, ctx, op)
	require.False(t, before.Done, "the exercise starts where the step is not done; now: %s", before.Now)
	require.JSONEq(t, text(before.Before), text(check(t, ctx, op).Before), "two Checks see the same before-image")
	require.NoError(t, op.Undo(ctx, before.Before), "Undo where Apply was never reached")
	require.False(t, check(t, ctx, op).Done)

	cutShort(t, op)
	apply(t, ctx, op)
	require.NoError(t, op.Apply(ctx), "Apply again")
	require.NoError(t, op.Verify(ctx), "Verify after the second Apply")

	if step.CannotUndo != "" {
		return
	}
	require.NoError(t, op.Undo(ctx, before.Before), "Undo")
	after := check(t, ctx, op)
	require.False(t, after.Done, "Undo leaves the step to be done again; now: %s", after.Now)
	require.JSONEq(t, text(before.Before), text(after.Before), "Undo restores the before-image")
	require.NoError(t, op.Undo(ctx, before.Before), "Undo again")
	apply(t, ctx, op)
}

func exerciseGate(t *testing.T, step plan.Step) {
	t.Helper()
	ctx := t.Context()
	check(t, ctx, step.Op)
	require.NoError(t, step.Op.Apply(ctx), "the gate opens")
	require.NoError(t, step.Op.Verify(ctx), "the gate's condition holds")
	require.NoError(t, step.Op.Undo(ctx, nil), "a gate has nothing to undo")
}

func apply(t *testing.T, ctx context.Context, op plan.Op) {
	t.Helper()
	require.NoError(t, op.Apply(ctx), "Apply")
	require.NoError(t, op.Verify(ctx), "Verify")
	require.True(t, check(t, ctx, op).Done, "Check finds the step done after Apply")
}

// cutShort cancels Apply at a few moments: whatever it left, Apply and Undo must cope.
func cutShort(t *testing.T, op plan.Op) {
	t.Helper()
	for _, after := range []time.Duration{0, 2 * time.Millisecond, 20 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_ = op.Apply(ctx) // the error is the cancellation's, or none if Apply was quicker
		cancel()
	}
}

func check(t *testing.T, ctx context.Context, op plan.Op) plan.State {
	t.Helper()
	state, err := op.Check(ctx)
	require.NoError(t, err, "Check")
	require.False(t, state.Unknown, "Check can see; now: %s", state.Now)
	require.NotEmpty(t, state.Now, "Check says what is there now")
	if len(state.Before) > 0 {
		require.True(t, json.Valid(state.Before), "the before-image is JSON: %s", state.Before)
	}
	return state
}

func text(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "null"
	}
	return string(raw)
}

package replicationtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// Apply applies and verifies a step, without its Check.
func Apply(t testing.TB, s plan.Step) error {
	t.Helper()
	if err := s.Op.Apply(t.Context()); err != nil {
		return err
	}
	return s.Op.Verify(t.Context())
}

// RequireHint checks that err has a hint and is not transient, so that no retry
// hides it from the operator, and that its text or its hint has every part.
func RequireHint(t *testing.T, err error, parts ...string) {
	t.Helper()
	require.Error(t, err)
	require.NotEmpty(t, report.Hint(err), "%v", err)
	var transient *report.TransientError
	require.False(t, errors.As(err, &transient), "%v", err)
	for _, part := range parts {
		require.Contains(t, err.Error()+"\nhint: "+report.Hint(err), part)
	}
}

// Notes collects the notes of a step. The zero value is ready.
type Notes struct {
	mu    sync.Mutex
	lines []string
}

// Context returns a context whose notes are collected.
func (n *Notes) Context(ctx context.Context) context.Context {
	return report.WithNotes(ctx, func(text string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.lines = append(n.lines, text)
	})
}

// Lines returns the notes so far.
func (n *Notes) Lines() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines)
}

// Text returns the notes so far, one a line.
func (n *Notes) Text() string { return strings.Join(n.Lines(), "\n") }

package replicationtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/report"
)

// RequireHint is an error that the operator can act on, and that no retry hides.
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

// Notes collects notes.
type Notes struct {
	mu    sync.Mutex
	Lines []string
}

// Context is ctx with the notes collected.
func (s *Notes) Context(ctx context.Context) context.Context {
	return report.WithNotes(ctx, func(text string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.Lines = append(s.Lines, text)
	})
}

// Text is all notes so far, one a line.
func (s *Notes) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.Lines, "\n")
}

// Pointer is the address of a value.
func Pointer[T any](v T) *T { return &v }

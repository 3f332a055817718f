package replicationtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/wait"
)

// Hammer writes rows to app.notes, each in a transaction of its own, and keeps
// which of them the server has acknowledged.
type Hammer struct {
	name   string
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	acked map[string]bool
}

// StartHammer writes to app.notes of a pair of StartApp from three sessions, until
// the test ends or Stop is called. Every row's text begins with name.
func StartHammer(t *testing.T, s *servertest.Instance, name string) *Hammer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &Hammer{name: name, cancel: cancel, acked: map[string]bool{}}
	db := Writer(t, s)
	for n := range 3 {
		h.wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				text := fmt.Sprintf("%s-%d-%d", name, n, i)
				if _, err := db.ExecContext(ctx, "INSERT INTO app.notes (text) VALUES (?)", text); err == nil {
					h.mu.Lock()
					h.acked[text] = true
					h.mu.Unlock()
				} else if wait.For(ctx, 5*time.Millisecond) != nil {
					return
				}
			}
		})
	}
	t.Cleanup(h.Stop)
	return h
}

// Stop ends the writers and waits for them.
func (h *Hammer) Stop() {
	h.cancel()
	h.wg.Wait()
}

// Count is the number of acknowledged writes.
func (h *Hammer) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.acked)
}

// Wait waits until n more writes were acknowledged.
func (h *Hammer) Wait(t *testing.T, n int) {
	t.Helper()
	goal := h.Count() + n
	require.Eventually(t, func() bool { return h.Count() >= goal }, 20*time.Second, 5*time.Millisecond, h.name)
}

// RequireOn checks that every acknowledged write is on the server, once.
func (h *Hammer) RequireOn(t *testing.T, s *servertest.Instance) {
	t.Helper()
	rows, err := s.Root().QueryContext(t.Context(), "SELECT text FROM app.notes")
	require.NoError(t, err)
	defer rows.Close()
	there := map[string]int{}
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		there[text]++
	}
	require.NoError(t, rows.Err())
	h.mu.Lock()
	defer h.mu.Unlock()
	require.NotEmpty(t, h.acked)
	for text := range h.acked {
		require.Equal(t, 1, there[text], "acknowledged write %s", text)
	}
}

package query_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestProcessesBesideStatementsOfAllCharacters lists the sessions while one runs a statement
// with a character of four bytes, with which MySQL's information_schema.PROCESSLIST ends.
func TestProcessesBesideStatementsOfAllCharacters(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor)
		conn, err := s.Root().Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.ExecContext(t.Context(), "SET NAMES utf8mb4")
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = conn.ExecContext(ctx, "SELECT SLEEP(60), '😀'")
		}()
		isSleeper := func(p query.Process) bool { return p.Command == "Query" && p.State == "User sleep" }
		var all []query.Process
		require.Eventually(t, func() bool {
			all, err = query.Processes(t.Context(), s.Root())
			return err != nil || slices.ContainsFunc(all, isSleeper)
		}, 10*time.Second, 10*time.Millisecond)
		require.NoError(t, err)
		id := all[slices.IndexFunc(all, isSleeper)].ID
		there, err := query.HasProcess(t.Context(), s.Root(), id)
		require.NoError(t, err)
		require.True(t, there)
		for _, p := range all {
			require.NotContains(t, p.Info, "SHOW PROCESSLIST", "the reader lists itself")
		}
		stop()
		<-done
		require.Eventually(t, func() bool {
			there, err := query.HasProcess(t.Context(), s.Root(), id)
			return err == nil && !there
		}, 10*time.Second, 10*time.Millisecond)
	})
}

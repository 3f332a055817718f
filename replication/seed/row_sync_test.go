package seed

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestPositionIsNotedOnlyBehindItsRows proves that the noted position waits for the rows
// before it, although the log is read further.
func TestPositionIsNotedOnlyBehindItsRows(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		pair.Schemas = nil
		source.Exec("CREATE DATABASE s", "CREATE TABLE s.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT NOT NULL)", "INSERT INTO s.t (v) VALUES (0), (0)")
		for range 14 {
			source.Exec("INSERT INTO s.t (v) SELECT v FROM s.t")
		}
		run := beginBatchRun(t, pair, 10)
		var err error
		run.reader, err = binlog.Open(t.Context(), pair.Source)
		require.NoError(t, err)
		defer func() { _ = run.reader.Close(t.Context()) }()
		require.NoError(t, run.copyAll(t.Context()))
		source.Exec("UPDATE s.t SET v = 1", "UPDATE s.t SET v = 2 WHERE id < 100", "UPDATE s.t SET v = 3 WHERE id < 50", "UPDATE s.t SET v = 4")

		goal, err := visiblePosition(t.Context(), pair.Source)
		require.NoError(t, err)
		workers, err := run.openWorkerConns(t.Context())
		require.NoError(t, err)
		defer func() {
			for _, w := range workers {
				w.close()
			}
		}()
		limits := run.throttle.Current()
		limits.Paused = true
		run.throttle.Set(limits)
		noted := target.Value("SELECT gtids FROM migrate.seed")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- run.catchUp(ctx, workers, goal, run.throttle, true) }()
		require.Never(t, func() bool { return noted != target.Value("SELECT gtids FROM migrate.seed") }, time.Second, 50*time.Millisecond,
			"the reader is behind the first of them by now")
		require.Equal(t, "0", target.Value("SELECT MAX(v) FROM s.t"))

		limits.Paused = false
		run.throttle.Set(limits)
		require.NoError(t, <-done)
		require.Equal(t, goal.String(), target.Value("SELECT gtids FROM migrate.seed"))
		require.Equal(t, "4", target.Value("SELECT MIN(v) FROM s.t"))
	})
}

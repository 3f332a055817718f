package seed

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// halfSeeded begins a seed and ends it in the middle of the copy.
func halfSeeded(t *testing.T, pair replication.Pair, target *servertest.Instance) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- StepWith(pair, Options{BytesPerSecond: 4 << 20, Workers: 2}).Op.Apply(ctx) }()
	db, err := pair.Target.DB(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		n, err := query.Text(t.Context(), db, "SELECT COUNT(*) FROM load1.big")
		return err == nil && n != "0"
	}, 30*time.Second, 5*time.Millisecond)
	cancel()
	require.Error(t, <-done)
	require.NotEqual(t, "16000", target.Value("SELECT COUNT(*) FROM load1.big"), "it was ended in the middle")
}

func TestSeedGoesOnWithoutCopyingAgain(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		halfSeeded(t, pair, target)
		// A copied row is spoilt where no log tells of it: the seed must not copy it again.
		target.Exec("SET SESSION sql_log_bin = 0", "UPDATE load1.big SET v = 'spoilt' ORDER BY id LIMIT 1")
		source.Exec("UPDATE load1.big SET v = 'new' WHERE id = 2", "DELETE FROM load1.posts WHERE id = 3")
		require.NoError(t, Step(pair).Op.Apply(t.Context()))
		require.Equal(t, "spoilt", target.Value("SELECT v FROM load1.big ORDER BY id LIMIT 1"))
		require.Equal(t, "new", target.Value("SELECT v FROM load1.big WHERE id = 2"))
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM load1.posts WHERE id = 3"))
		require.Equal(t, source.Value("SELECT COUNT(*) FROM load1.big"), target.Value("SELECT COUNT(*) FROM load1.big"))
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME IN ('seed_tables', 'seed_parts')"))
	})
}

func TestSeedRefusesToGoOn(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		halfSeeded(t, pair, target)

		other := servertest.Start(t, flavor)
		err := Step(replication.Pair{Name: "main", Source: replicationtest.Server(t, other, replication.Source, nil), Target: pair.Target}).Op.Apply(t.Context())
		require.ErrorContains(t, err, "was seeded from another server")
		require.NotEmpty(t, report.Hint(err))

		source.Exec("FLUSH BINARY LOGS", "DELETE FROM load1.posts WHERE id = 1", "FLUSH BINARY LOGS", "DELETE FROM load1.posts WHERE id = 2")
		require.Eventually(t, func() bool { // a log that is still needed is not purged
			logs, err := query.All(t.Context(), source.Root(), "SHOW BINARY LOGS")
			require.NoError(t, err)
			source.Exec("PURGE BINARY LOGS TO '" + logs[len(logs)-1]["Log_name"] + "'")
			return len(logs) == 1
		}, 20*time.Second, 100*time.Millisecond)
		err = Step(pair).Op.Apply(t.Context())
		require.ErrorIs(t, err, binlog.ErrBinlogPurged)
		require.ErrorContains(t, err, "cannot go on")
		require.Contains(t, report.Hint(err), "rollback")

		require.NoError(t, Step(pair).Op.Undo(t.Context(), json.RawMessage(`{}`)))
		require.NoError(t, Step(pair).Op.Apply(t.Context()), "a new one")
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
	})
}

// TestSeedSplitsALongTable has two tables for four workers: they share them.
func TestSeedSplitsALongTable(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE long1", "CREATE TABLE long1.n (id BIGINT UNSIGNED PRIMARY KEY, v VARCHAR(500))",
			"CREATE TABLE long1.s (a VARCHAR(20), b DATETIME, v VARCHAR(500), PRIMARY KEY (a, b))")
		for from := 0; from < 60000; from += 5000 {
			var n, s []string
			for i := range 5000 {
				v := strings.Repeat("v", 400)
				n = append(n, fmt.Sprintf("(%d, '%s')", uint64(from+i)*307445734561825, v))
				s = append(s, fmt.Sprintf("('Key %d', '2024-01-01' + INTERVAL %d SECOND, '%s')", (from+i)%7, from+i, v))
			}
			source.Exec("INSERT INTO long1.n VALUES "+strings.Join(n, ","), "INSERT INTO long1.s VALUES "+strings.Join(s, ","))
		}
		source.Exec("ANALYZE TABLE long1.n, long1.s")
		done := make(chan error, 1)
		go func() { done <- StepWith(pair, Options{BytesPerSecond: 16 << 20}).Op.Apply(t.Context()) }()
		db, err := pair.Target.DB(t.Context())
		require.NoError(t, err)
		most := map[string]int64{}
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for running := true; running; {
			rows, err := query.All(t.Context(), db, "SELECT table_name AS t, COUNT(*) AS n FROM migrate.seed_parts GROUP BY 1")
			for _, r := range rows {
				require.NoError(t, err)
				most[r["t"]] = max(most[r["t"]], query.Number(r["n"]))
			}
			select {
			case err := <-done:
				require.NoError(t, err)
				running = false
			case <-tick.C:
			}
		}
		require.Greater(t, most["n"], int64(1), "numbers: %v", most)
		require.Greater(t, most["s"], int64(1), "texts: %v", most)
		require.Equal(t, replicationtest.Checksums(t, source, "long1"), replicationtest.Checksums(t, target, "long1"))
	})
}

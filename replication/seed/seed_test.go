package seed

import (
	"context"
	"encoding/json"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestSeedUnderLoadThenLinkLosesNothing(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		for round := range 3 {
			stop := replicationtest.Load(t, source)
			t.Cleanup(func() { stop() })
			step := Step(pair)
			require.NoError(t, step.Op.Apply(t.Context()))
			require.NoError(t, step.Op.Verify(t.Context()))
			replicationtest.Replicate(t, flavor, source, target)
			writes := stop()
			require.Positive(t, writes)
			replicationtest.Settle(t, pair.Source, pair.Target)
			require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"), "round %d, %d writes", round, writes)
			if flavor == servertest.MariaDB {
				target.Exec("STOP SLAVE", "RESET SLAVE ALL")
			} else {
				target.Exec("STOP REPLICA", "RESET REPLICA ALL")
			}
			replicationtest.WhileFenced(target, func() { require.NoError(t, step.Op.Undo(t.Context(), json.RawMessage(`{}`))) })
		}
	})
}

func TestSeedExercise(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		source.Exec("CREATE USER app@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON load1.* TO app@'%'")
		fence := "read_only"
		if flavor == servertest.MySQL {
			fence = "super_read_only"
		}
		target.Exec("SET GLOBAL " + fence + " = 1")
		plantest.Exercise(t, Step(pair))
		require.Equal(t, "1", target.Value("SELECT @@GLOBAL."+fence), "the target stays fenced")
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))

		login := target.Open("app", "secret", "tcp")
		defer login.Close()
		require.NoError(t, login.Ping(), "the application logs in with its password")
		_, err := login.Exec("DELETE FROM load1.posts")
		require.Error(t, err, "and cannot write")
	})
}

// peakOf measures the heap in use until the function that it returns is called, which
// returns the peak.
func peakOf(t *testing.T, every time.Duration) func() uint64 {
	runtime.GC()
	ctx, cancel := context.WithCancel(t.Context())
	sampled := make(chan uint64)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-ctx.Done():
				sampled <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 { cancel(); return <-sampled }
}

func TestSeedStreamsInLittleMemory(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE big", "CREATE TABLE big.t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(500), b LONGBLOB)",
			"INSERT INTO big.t (a, b) VALUES (REPEAT('a', 500), REPEAT('\\0', 1000)), (REPEAT('b', 500), NULL)")
		for range 15 {
			source.Exec("INSERT INTO big.t (a, b) SELECT a, b FROM big.t")
		}
		peak := peakOf(t, 5*time.Millisecond)
		began := time.Now()
		require.NoError(t, Step(pair).Op.Apply(t.Context()))
		most := peak()
		t.Logf("seeded 65536 rows, about 67 MB, in %s; peak heap %d MiB", time.Since(began), most>>20)
		require.Less(t, most, uint64(40<<20))
		require.Equal(t, replicationtest.Checksums(t, source, "big"), replicationtest.Checksums(t, target, "big"))
	})
}

// beginRun begins a seed as Apply does, for its parts to be called.
func beginRun(t *testing.T, pair replication.Pair) *run {
	t.Helper()
	op, ok := Step(pair).Op.(*Op)
	require.True(t, ok)
	run := op.newRun()
	_, err := run.begin(t.Context())
	require.NoError(t, err)
	return run
}

// beginBatchRun begins a seed whose batches have at most so many tables, for its parts to
// be called.
func beginBatchRun(t *testing.T, pair replication.Pair, most int) *run {
	t.Helper()
	op, ok := StepWith(pair, Options{batchTables: most}).Op.(*Op)
	require.True(t, ok)
	run := op.newRun()
	_, err := run.begin(t.Context())
	require.NoError(t, err)
	return run
}

// requireSameTables compares rows and names of tables.
func requireSameTables(t *testing.T, source, target *servertest.Instance, schemas ...string) {
	t.Helper()
	for _, schema := range schemas {
		require.Equal(t, replicationtest.Checksums(t, source, schema), replicationtest.Checksums(t, target, schema))
		tables := "SELECT GROUP_CONCAT(HEX(TABLE_NAME) ORDER BY HEX(TABLE_NAME)) FROM information_schema.TABLES WHERE TABLE_SCHEMA = " + query.Literal(schema)
		require.Equal(t, source.Value(tables), target.Value(tables))
	}
}

package seed

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
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
		// Spoil a copied row without a trace in the log: the seed must not copy it again.
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
		require.ErrorIs(t, err, binlog.ErrPurged)
		require.ErrorContains(t, err, "cannot go on")
		require.Contains(t, report.Hint(err), "rollback")

		replicationtest.WhileFenced(target, func() { require.NoError(t, Step(pair).Op.Undo(t.Context(), json.RawMessage(`{}`))) })
		require.NoError(t, Step(pair).Op.Apply(t.Context()), "a new one")
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
	})
}

// TestASchemaThatIsDroppedBetweenTwoTries begins the seed again, because the notes are of
// what stood on the source before.
func TestASchemaThatIsDroppedBetweenTwoTries(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		source.Exec("CREATE DATABASE gone", "CREATE TABLE gone.a (id INT PRIMARY KEY)", "INSERT INTO gone.a VALUES (1)")
		halfSeeded(t, pair, target)
		source.Exec("DROP DATABASE gone", "CREATE DATABASE fresh", "CREATE TABLE fresh.a (id INT PRIMARY KEY)")
		require.ErrorIs(t, Step(pair).Op.Apply(t.Context()), schema.ErrSchemaChanged, "it takes back what it has")
		require.NoError(t, Step(pair).Op.Apply(t.Context()))
		require.Equal(t, "fresh,load1", target.Value("SELECT GROUP_CONCAT(SCHEMA_NAME ORDER BY SCHEMA_NAME) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ('gone', 'fresh', 'load1')"))
	})
}

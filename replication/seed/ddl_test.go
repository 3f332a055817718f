package seed

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/report"
)

// startHeld seeds in the background and returns once every table of the source is copied
// except load1.big, which is locked. What happens before finish is called happens during
// the copy.
func startHeld(t *testing.T, pair replication.Pair, source *servertest.Instance) (finish func() error) {
	lock, err := source.Root().Conn(t.Context())
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		done <- StepWith(pair, Options{BytesPerSecond: 4 << 20, prepareFrom: 1}).Op.Apply(t.Context())
	}()
	db, err := pair.Target.DB(t.Context())
	require.NoError(t, err)
	reached := func(statement, want string) {
		require.Eventually(t, func() bool {
			select {
			case err := <-done:
				require.NoError(t, err, "the seed has ended")
			default:
			}
			n, err := query.Text(t.Context(), db, "SELECT COUNT(*) FROM "+query.QuoteTable(replication.OwnSchema, schema.SeedParts)+statement)
			return err == nil && n == want
		}, 30*time.Second, 5*time.Millisecond, statement)
	}
	reached(" WHERE table_name = 'big' AND pos <> 'null' AND part = 0 AND done = 0", "1") // so all tables are made: there is one batch
	_, err = lock.ExecContext(t.Context(), "LOCK TABLES load1.big WRITE")
	require.NoError(t, err)
	reached(" WHERE table_name <> 'big' AND done = 0", "0")
	reached(" WHERE table_name = 'big' AND part = 0 AND done = 0", "1")
	return func() error {
		_, err := lock.ExecContext(t.Context(), "UNLOCK TABLES")
		require.NoError(t, err)
		require.NoError(t, lock.Close())
		return <-done
	}
}

func TestSeedCopiesATableAgainAfterDDL(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		source.Exec("CREATE TABLE load1.gone (id INT PRIMARY KEY)", "CREATE TABLE load1.emptied (id INT PRIMARY KEY)",
			"INSERT INTO load1.emptied VALUES (1), (2)", "CREATE TABLE load1.a (id INT PRIMARY KEY, v INT)", "CREATE TABLE load1.b LIKE load1.a",
			"INSERT INTO load1.a VALUES (1, 1)", "INSERT INTO load1.b VALUES (2, 2)")
		finish := startHeld(t, pair, source)
		source.Exec("SET lock_wait_timeout = 60", "CREATE TABLE load1.late (id INT PRIMARY KEY, v TEXT)", "INSERT INTO load1.late VALUES (1, 'x')",
			"TRUNCATE load1.emptied", "INSERT INTO load1.emptied VALUES (3)", "DROP TABLE load1.gone",
			"RENAME TABLE load1.a TO load1.x, load1.b TO load1.a, load1.x TO load1.b",
			"ALTER TABLE load1.posts ADD COLUMN extra INT FIRST", "UPDATE load1.posts SET extra = 7 WHERE id < 10",
			"CREATE VIEW load1.seen AS SELECT * FROM load1.late")
		require.NoError(t, finish())
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
		require.Equal(t, "3", target.Value("SELECT GROUP_CONCAT(id) FROM load1.emptied"))
		require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM load1.seen"))
		replicationtest.Replicate(t, flavor, source, target)
		source.Exec("INSERT INTO load1.late VALUES (2, 'y')")
		replicationtest.Settle(t, pair.Source, pair.Target)
		report, err := verify.Run(t.Context(), pair, verify.Options{})
		require.NoError(t, err)
		require.Empty(t, report.Differences)
	})
}

func TestSeedBeginsAgainWhenASchemaIsMade(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		finish := startHeld(t, pair, source)
		source.Exec("CREATE DATABASE late", "CREATE TABLE late.t (id INT PRIMARY KEY)")
		err := finish()
		var transient *report.TransientError
		require.ErrorAs(t, err, &transient)
		require.ErrorIs(t, err, schema.ErrSchemaChanged)
		require.NoError(t, Step(pair).Op.Apply(t.Context()), "the next try begins from scratch")
		require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'late'"))
	})
}

// TestTableIsDirtyOnlyOnceThatIsNoted proves that a note that could not be written is
// written the next time.
func TestTableIsDirtyOnlyOnceThatIsNoted(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	pair.Schemas = nil
	source.Exec("CREATE DATABASE s", "CREATE TABLE s.t (id INT PRIMARY KEY)", "CREATE TABLE s.u (id INT PRIMARY KEY)")
	run := beginBatchRun(t, pair, 7)
	require.NoError(t, run.eachBatch(t.Context(), func(context.Context, tableBatch) error { return nil }))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	dirty, snapshotOnly := map[table.Name]bool{{Schema: "s", Name: "t"}: true}, map[table.Name]bool{{Schema: "s", Name: "u"}: true}
	require.Error(t, run.markDirty(ended, dirty, snapshotOnly))
	require.NoError(t, run.markDirty(t.Context(), dirty, snapshotOnly))
	require.Equal(t, "new,loose", target.Value("SELECT GROUP_CONCAT(phase ORDER BY table_name) FROM migrate.seed_tables"))
	require.Len(t, run.dirty, 2)
}

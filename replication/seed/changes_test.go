package seed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/wait"
)

// TestSeedCopiesWhatPreparedTransactionsWrite commits a prepared transaction during the
// copy.
func TestSeedCopiesWhatPreparedTransactionsWrite(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		source.Exec("CREATE TABLE load1.x (id INT PRIMARY KEY, n INT)", "INSERT INTO load1.x VALUES (1, 1), (2, 2)")
		finish := startHeld(t, pair, source)
		source.Exec("XA START 'one'", "UPDATE load1.x SET n = 10 WHERE id = 1", "XA END 'one'", "XA PREPARE 'one'")
		done := make(chan error, 1)
		go func() { done <- finish() }()
		require.NoError(t, wait.For(t.Context(), time.Second/2))
		source.Exec("XA COMMIT 'one'")
		require.NoError(t, <-done)
		require.Equal(t, "10", target.Value("SELECT n FROM load1.x WHERE id = 1"))
	})
}

// TestSeedFollowsShapesOfTheLog changes rows, during the copy, of tables whose events have
// other columns than the table shows.
func TestSeedFollowsShapesOfTheLog(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		source.Exec("CREATE TABLE load1.g (v INT AS (n * 2) VIRTUAL, id INT PRIMARY KEY, s VARCHAR(20) AS (CONCAT('x', n)) STORED, n INT, hidden INT INVISIBLE DEFAULT 7, UNIQUE KEY v (v), KEY s (s))",
			"CREATE TABLE load1.h (a TEXT, id INT NOT NULL, n INT, UNIQUE KEY id (id))", "CREATE TABLE load1.w (a VARCHAR(3000), b INT, id INT, n INT, PRIMARY KEY (id, b))")
		if flavor == servertest.MySQL {
			source.Exec("ALTER TABLE load1.h ADD KEY f ((UPPER(LEFT(a, 20)))), ADD UNIQUE KEY g ((n + 1))",
				"SET sql_generate_invisible_primary_key = 1", "CREATE TABLE load1.p (id INT, n INT)", "SET sql_generate_invisible_primary_key = 0",
				"INSERT INTO load1.p VALUES (1, 1), (2, 2), (3, 3)")
		} else {
			source.Exec("ALTER TABLE load1.h ADD UNIQUE KEY long_one (a)", "CREATE TABLE load1.p LIKE load1.w")
		}
		for _, table := range []string{"g", "h"} {
			source.Exec("INSERT INTO load1." + table + " (id, n) VALUES (1, 1), (2, 2), (3, 3)")
		}
		source.Exec("INSERT INTO load1.w VALUES ('x', 1, 1, 1), ('y', 2, 2, 2), ('z', 3, 3, 3)")
		finish := startHeld(t, pair, source)
		for _, table := range []string{"g", "h", "w", "p"} {
			source.Exec("UPDATE load1."+table+" SET n = 10 WHERE id = 1", "DELETE FROM load1."+table+" WHERE id = 2", "UPDATE load1."+table+" SET id = 30 WHERE id = 3")
		}
		require.NoError(t, finish())
		requireSameBytes(t, "load1", source, target)
		report, err := verify.Run(t.Context(), pair, verify.Options{})
		require.NoError(t, err)
		require.Empty(t, report.Differences)
	})
}

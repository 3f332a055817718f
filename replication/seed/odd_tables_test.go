package seed

import (
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/wait"
)

// TestSeedKeepsTheHistoryOfVersionedTables copies MariaDB's system-versioned
// tables with their history and its times.
func TestSeedKeepsTheHistoryOfVersionedTables(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	source.Exec("CREATE DATABASE v", "CREATE TABLE v.implicit (id INT PRIMARY KEY, n INT) WITH SYSTEM VERSIONING",
		`CREATE TABLE v.named (id INT PRIMARY KEY, n INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END,
			PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING`)
	for _, name := range []string{"implicit", "named"} {
		source.Exec("INSERT INTO v."+name+" (id, n) VALUES (1, 1), (2, 2)", "UPDATE v."+name+" SET n = 3 WHERE id = 1", "DELETE FROM v."+name+" WHERE id = 2")
	}
	require.NoError(t, Step(pair).Op.Apply(t.Context()))
	for _, query := range []string{
		"SELECT GROUP_CONCAT(id, ' ', n, ' ', ROW_START, ' ', ROW_END ORDER BY id, n) FROM v.implicit FOR SYSTEM_TIME ALL",
		"SELECT GROUP_CONCAT(id, ' ', n, ' ', s, ' ', e ORDER BY id, n) FROM v.named FOR SYSTEM_TIME ALL",
	} {
		want := source.Value(query)
		require.Equal(t, 3, strings.Count(want, ",")+1, want)
		require.Equal(t, want, target.Value(query))
	}
}

// TestSeedCopiesWhatPreparedTransactionsWrite commits, in the window, what was
// prepared before it could be seen.
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

// TestSeedFollowsShapesOfTheLog changes rows, in the window, of tables whose
// events have other columns than the table shows.
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

// TestSeedOfHugeRows holds a few of the largest row in memory, no more.
func TestSeedOfHugeRows(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		redo := "innodb_log_file_size"
		if flavor == servertest.MySQL {
			redo = "innodb_redo_log_capacity"
		}
		pair, source, target := replicationtest.Start(t, flavor, servertest.Set("max_allowed_packet", "256M"), servertest.Set(redo, "512M"))
		source.Exec("CREATE DATABASE huge", "CREATE TABLE huge.t (id INT PRIMARY KEY, b LONGBLOB)")
		for i := range 2 {
			source.Exec("INSERT INTO huge.t VALUES (" + string(rune('1'+i)) + ", REPEAT(x'00275c41', 8388608))")
		}
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(64 << 20))
		peak := peakOf(t, 5*time.Millisecond)
		require.NoError(t, Step(pair).Op.Apply(t.Context()))
		most := peak()
		t.Logf("two rows of 32 MiB; peak heap %d MiB", most>>20)
		require.Less(t, most, uint64((96+4*32)<<20))
		require.Equal(t, replicationtest.Checksums(t, source, "huge"), replicationtest.Checksums(t, target, "huge"))
	})
}

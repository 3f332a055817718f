package seed

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestSeedKeepsTheHistoryOfVersionedTables copies MariaDB's system-versioned tables with
// their history and its times.
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

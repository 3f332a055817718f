package seed

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestSeedOfRandomTables copies tables of random shapes, with random rows that change
// while they are copied, and compares the bytes of every value.
func TestSeedOfRandomTables(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		types := replicationtest.ColumnTypes(flavor)
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		source.Exec("CREATE DATABASE random CHARACTER SET utf8mb4")
		session := []string{"SET NAMES utf8mb4", "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'"}
		var during []string
		for i := range 60 {
			table := replicationtest.DrawTable(fmt.Sprintf("t%d", i), types).Example(i)
			source.Exec(append(append(slices.Clone(session), table.Create), table.Before...)...)
			during = append(during, table.During...)
		}
		for i, c := range types { // every type as a key, at least once
			if c.Key {
				table := replicationtest.DrawTable(fmt.Sprintf("k%d", i), []replicationtest.ColumnType{c}).Example(i)
				source.Exec(append(append(slices.Clone(session), table.Create), table.Before...)...)
				during = append(during, table.During...)
			}
		}
		finish := startHeld(t, pair, source)
		source.Exec(append(slices.Clone(session), during...)...)
		require.NoError(t, finish())
		requireSameBytes(t, "random", source, target)
	})
}

// requireSameBytes compares every column of every table by the binary protocol, whatever
// the order of rows.
func requireSameBytes(t *testing.T, schema string, source, target *servertest.Instance) {
	names, err := query.Strings(t.Context(), source.Root(), "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=? ORDER BY 1", schema)
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		statement := "SELECT * FROM " + query.QuoteTable(schema, name)
		want, got := replicationtest.Rows(t, source.Root(), statement), replicationtest.Rows(t, target.Root(), statement)
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(t, want, got, "%s: %s", name, source.Value("SELECT COUNT(*) FROM "+query.QuoteTable(schema, name)))
	}
}

package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestVerifyOfRandomTables makes a random change on the target in each of many tables of
// random shapes: verify names exactly the tables whose rows differ by the binary protocol,
// and a repair makes them equal.
func TestVerifyOfRandomTables(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		types := replicationtest.ColumnTypes(flavor)
		session := []string{"SET NAMES utf8mb4", "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'"}
		damage := slices.Clone(session)
		p := fencedPair(t, flavor, func(s *servertest.Instance) {
			s.Exec("CREATE DATABASE random CHARACTER SET utf8mb4")
			fill := func(table replicationtest.RandomTable) {
				s.Exec(append(append(slices.Clone(session), table.Create), table.Before...)...)
				damage = append(damage, table.During[0])
			}
			for i := range 50 {
				fill(replicationtest.DrawTable(fmt.Sprintf("t%d", i), types).Example(100 + i))
			}
			for i, c := range types { // every type alone, at least once
				fill(replicationtest.DrawTable(fmt.Sprintf("k%d", i), []replicationtest.ColumnType{c, types[0]}).Example(200 + i))
			}
		})
		plant(t, p, damage...)
		want := differingTables(t, "random", p.SourceInstance, p.TargetInstance)
		require.Greater(t, len(want), 20)
		report, err := Repair(t.Context(), p.Pair, RepairOptions{Options: Options{MaxDifferences: 10_000, ChunkRows: 7}})
		require.NoError(t, err)
		require.Equal(t, want, objectsOf(report.Before.Differences))
		var keyless []string
		for _, name := range differingTables(t, "random", p.SourceInstance, p.TargetInstance) {
			keyless = append(keyless, name)
			require.Equal(t, "0", p.SourceInstance.Value("SELECT COUNT(*) FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND TABLE_NAME = ?", strings.TrimPrefix(name, "random.")))
		}
		require.Equal(t, keyless, objectsOf(report.After.Differences))
		require.Equal(t, keyless, objectsOf(report.Left))
		require.NotEmpty(t, keyless)
		require.Less(t, len(keyless), len(want)/2)
	})
}

// objectsOf are the names of the objects that differ, each once.
func objectsOf(list []Difference) []string {
	var out []string
	for _, d := range list {
		out = append(out, d.Object)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// differingTables compares every column of every table by the binary protocol, whatever
// the order of rows.
func differingTables(t *testing.T, schema string, source, target *servertest.Instance) []string {
	names, err := query.Strings(t.Context(), source.Root(), "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=? ORDER BY 1", schema)
	require.NoError(t, err)
	var out []string
	for _, name := range names {
		query := "SELECT * FROM " + query.QuoteTable(schema, name)
		a, b := replicationtest.Rows(t, source.Root(), query), replicationtest.Rows(t, target.Root(), query)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(a, b) {
			out = append(out, schema+"."+name)
		}
	}
	slices.Sort(out)
	return out
}

package replication

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestSeedInWaves: a site of more tables than are taken up together, schemas of
// more among them; a try that ends between two waves, and what the source drops
// and makes before the next one.
func TestSeedInWaves(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := startPair(t, flavor)
		pair.Schemas = nil
		makeBlogs(source, 4)
		source.Exec("CREATE DATABASE crowd")
		names := []string{"a", "A", "a\tb", "a b", "é", "Ω", "`", "zz", "_"}
		for i := range 25 {
			names = append(names, fmt.Sprintf("t%d", i))
		}
		for i, name := range names {
			table := QuoteTable("crowd", name)
			if i%3 == 1 {
				source.Exec("CREATE TABLE " + table + " (v INT)") // without a key
			} else {
				source.Exec("CREATE TABLE " + table + " (id INT AUTO_INCREMENT PRIMARY KEY, v INT, KEY v (v)) AUTO_INCREMENT = 50")
			}
			source.Exec(fmt.Sprintf("INSERT INTO %s (v) VALUES (%d), (7)", table, i))
		}
		source.Exec("CREATE TABLE blog3.child (id INT PRIMARY KEY, parent INT, CONSTRAINT c FOREIGN KEY (parent) REFERENCES crowd.t2 (id) ON DELETE CASCADE)",
			"INSERT INTO blog3.child VALUES (1, 50)")

		step := SeedWith(pair, SeedOptions{waveTables: 3})
		op, ok := step.Op.(*seed)
		require.True(t, ok)
		run := op.newRun()
		_, err := run.begin(t.Context())
		require.NoError(t, err)
		waves, enough := 0, errors.New("enough")
		require.ErrorIs(t, run.eachTaken(t.Context(), func(ctx context.Context, w taken) error {
			if waves++; waves == 20 {
				return enough
			}
			require.LessOrEqual(t, len(w.tables), 3)
			return run.copyRanges(ctx, w)
		}), enough)
		now := run.progress.now()
		require.Equal(t, len(names)+4*12+1, now.Tables)
		require.Positive(t, now.Done)
		require.Less(t, now.Done, now.Tables)

		source.Exec("DROP TABLE crowd.t0", "DROP TABLE crowd.`a\tb`", "CREATE TABLE crowd.m (id INT PRIMARY KEY)", "INSERT INTO crowd.m VALUES (1)",
			"DELETE FROM crowd.t2 WHERE id = 50", "UPDATE blog1.wp_3 SET name = 'changed'", "DROP TABLE blog0.wp_0", "INSERT INTO crowd.t22 (v) VALUES (1)")
		require.NoError(t, step.Op.Apply(t.Context()))
		for _, schema := range []string{"crowd", "blog0", "blog1", "blog2", "blog3"} {
			require.Equal(t, checksums(t, source, schema), checksums(t, target, schema))
			const tables = "SELECT GROUP_CONCAT(HEX(TABLE_NAME) ORDER BY HEX(TABLE_NAME)) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
			require.Equal(t, source.Value(tables+literal(schema)), target.Value(tables+literal(schema)))
		}
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM blog3.child"))
		require.Equal(t, "52", target.Value("SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'crowd' AND TABLE_NAME = '_'"))
	})
}

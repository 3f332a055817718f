package seed

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
)

// TestSeedOfManySmallTables proves that tables that are copied together arrive like those
// that are copied alone, even if statistics hide the length of one.
func TestSeedOfManySmallTables(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		pair.Schemas = nil
		replicationtest.MakeBlogs(source, 6)
		source.Exec("CREATE DATABASE other", "CREATE TABLE other.longer (id INT PRIMARY KEY, v CHAR(20)) STATS_PERSISTENT=1 STATS_AUTO_RECALC=0",
			"CREATE TABLE other.empty (id INT PRIMARY KEY)", "CREATE TABLE other.`a ``;\n' \"table` (`a b` VARCHAR(10) PRIMARY KEY, c TEXT)",
			"INSERT INTO other.`a ``;\n' \"table` VALUES ('x;', 'y'), ('z''', NULL)")
		source.Exec("INSERT INTO other.longer WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 990) SELECT i, 'v' FROM n",
			"INSERT INTO other.longer SELECT id + 1000, v FROM other.longer", "INSERT INTO other.longer SELECT id + 2000, v FROM other.longer")
		run := beginRun(t, pair)
		batches := 0
		require.NoError(t, run.eachBatch(t.Context(), func(ctx context.Context, b tableBatch) error {
			batches++
			require.Len(t, b.tables, 6*12+3)
			longer := b.tables[table.Name{Schema: "other", Name: "longer"}]
			longer.rows, longer.Bytes = 5, 16384 // as stale statistics would have it
			return run.copyRanges(ctx, b)
		}))
		require.Equal(t, 1, batches)
		require.Len(t, run.known.shapes, 1+3, "one shape is kept once")
		require.Empty(t, run.dirty)
		require.Equal(t, "3960", target.Value("SELECT COUNT(*) FROM other.longer"))
		require.NoError(t, Step(pair).Op.Apply(t.Context()))
		for _, schema := range []string{"other", "blog0", "blog5"} {
			require.Equal(t, replicationtest.Checksums(t, source, schema), replicationtest.Checksums(t, target, schema))
		}
	})
}

// TestSmallTablesThatChangeMeanwhile proves that a table that DDL has changed does not
// hold back those that are copied together with it.
func TestSmallTablesThatChangeMeanwhile(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		pair.Schemas = nil
		replicationtest.MakeBlogs(source, 3)
		run := beginRun(t, pair)
		require.NoError(t, run.eachBatch(t.Context(), func(ctx context.Context, b tableBatch) error {
			source.Exec("ALTER TABLE blog1.wp_5 DROP COLUMN value", "DROP TABLE blog0.wp_7", "ALTER TABLE blog2.wp_0 ADD COLUMN more INT DEFAULT 7")
			return run.copyRanges(ctx, b)
		}))
		require.Equal(t, map[table.Name]bool{{Schema: "blog1", Name: "wp_5"}: true, {Schema: "blog0", Name: "wp_7"}: true}, run.dirty)
		require.Equal(t, "3", target.Value("SELECT COUNT(*) FROM blog1.wp_4"))
		require.NoError(t, Step(pair).Op.Apply(t.Context()))
		for i := range 3 {
			schema := fmt.Sprintf("blog%d", i)
			require.Equal(t, replicationtest.Checksums(t, source, schema), replicationtest.Checksums(t, target, schema))
		}
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'blog0' AND TABLE_NAME = 'wp_7'"))
	})
}

// TestSeedOfWideTablesInSmallPackets proves that what is asked together fits in a packet.
func TestSeedOfWideTablesInSmallPackets(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor, servertest.Set("max_allowed_packet", "256K"))
		pair.Schemas = nil
		var columns []string
		for i := range 300 {
			columns = append(columns, fmt.Sprintf("a_column_with_a_name_that_is_as_long_as_a_name_is_of_a_%03d TINYINT", i))
		}
		source.Exec("CREATE DATABASE wide")
		for i := range 40 {
			source.Exec(fmt.Sprintf("CREATE TABLE wide.t%d (id INT PRIMARY KEY, %s)", i, strings.Join(columns, ", ")), fmt.Sprintf("INSERT INTO wide.t%d (id) VALUES (%d)", i, i))
		}
		var notes replicationtest.Notes
		require.NoError(t, Step(pair).Op.Apply(notes.Context(t.Context())))
		require.NotContains(t, notes.Text(), "one by one", "no packet was too large")
		require.Equal(t, replicationtest.Checksums(t, source, "wide"), replicationtest.Checksums(t, target, "wide"))
	})
}

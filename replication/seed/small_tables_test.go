package seed

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
)

// TestSeedOfManySmallTables: tables that are copied together arrive as those
// that are copied alone, also where statistics have hidden how long one is.
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
			longer.rows, longer.Bytes = 5, 16384 // as a server says whose statistics are old
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

// TestSmallTablesThatChangeMeanwhile: one that DDL has changed keeps none of
// those back that are copied together with it.
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

// TestSeedOfWideTablesInSmallPackets: what is asked together fits in a packet.
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

// TestTablesAreNotedBeforeTheyAreMade: of one that a try has begun and the source
// has dropped before the next, nothing stays on the target.
func TestTablesAreNotedBeforeTheyAreMade(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	pair.Schemas = nil
	source.Exec("CREATE DATABASE app", "CREATE TABLE app.a (id INT PRIMARY KEY)", "CREATE TABLE app.b (id INT PRIMARY KEY)")
	run := beginRun(t, pair)
	c, err := schema.NewCreator(t.Context(), pair.Source, pair.Target)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, run.makeSchemas(t.Context()))
	broken := &sourceTable{Table: table.Table{Schema: "app", Name: "b"}, sequence: true, object: schema.Object{Kind: schema.KindSequence, Schema: "app", Name: "b", Create: "no SQL"}}
	made := &sourceTable{Table: table.Table{Schema: "app", Name: "a"}, sequence: true, object: schema.Object{Kind: schema.KindSequence, Schema: "app", Name: "a", Create: "CREATE TABLE a (id INT)"}}
	require.Error(t, run.makeTables(t.Context(), c, []*sourceTable{made, broken}, nil), "it ends in the middle")
	require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app'"))
	source.Exec("DROP TABLE app.a")
	require.NoError(t, Step(pair).Op.Apply(t.Context()))
	require.Equal(t, "b", target.Value("SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app'"))
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

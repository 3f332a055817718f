package seed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
)

// TestSeedInBatches seeds more tables than fit in a batch, some schemas of which also have
// more. An attempt ends between two batches, and the source drops and makes tables before
// the next attempt.
func TestSeedInBatches(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		pair.Schemas = nil
		replicationtest.MakeBlogs(source, 4)
		source.Exec("CREATE DATABASE crowd")
		names := []string{"a", "A", "a\tb", "a b", "é", "Ω", "`", "zz", "_"}
		for i := range 25 {
			names = append(names, fmt.Sprintf("t%d", i))
		}
		for i, name := range names {
			table := query.QuoteTable("crowd", name)
			if i%3 == 1 {
				source.Exec("CREATE TABLE " + table + " (v INT)") // it has no key
			} else {
				source.Exec("CREATE TABLE " + table + " (id INT AUTO_INCREMENT PRIMARY KEY, v INT, KEY v (v)) AUTO_INCREMENT = 50")
			}
			source.Exec(fmt.Sprintf("INSERT INTO %s (v) VALUES (%d), (7)", table, i))
		}
		source.Exec("CREATE TABLE blog3.child (id INT PRIMARY KEY, parent INT, CONSTRAINT c FOREIGN KEY (parent) REFERENCES crowd.t2 (id) ON DELETE CASCADE)",
			"INSERT INTO blog3.child VALUES (1, 50)")

		run := beginBatchRun(t, pair, 3)
		batches, enough := 0, errors.New("enough")
		require.ErrorIs(t, run.eachBatch(t.Context(), func(ctx context.Context, b tableBatch) error {
			if batches++; batches == 20 {
				return enough
			}
			require.LessOrEqual(t, len(b.tables), 3)
			return run.copyRanges(ctx, b)
		}), enough)
		now := run.progress.Now()
		require.Equal(t, len(names)+4*12+1, now.Tables)
		require.Positive(t, now.Done)
		require.Less(t, now.Done, now.Tables)

		source.Exec("DROP TABLE crowd.t0", "DROP TABLE crowd.`a\tb`", "CREATE TABLE crowd.m (id INT PRIMARY KEY)", "INSERT INTO crowd.m VALUES (1)",
			"DELETE FROM crowd.t2 WHERE id = 50", "UPDATE blog1.wp_3 SET name = 'changed'", "DROP TABLE blog0.wp_0", "INSERT INTO crowd.t22 (v) VALUES (1)")
		require.NoError(t, StepWith(pair, Options{batchTables: 3}).Op.Apply(t.Context()))
		requireSameTables(t, source, target, "crowd", "blog0", "blog1", "blog2", "blog3")
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM blog3.child"))
		require.Equal(t, "52", target.Value("SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'crowd' AND TABLE_NAME = '_'"))
	})
}

// TestSeedWhereNamesAreSortedByTheirBeginnings proves that the source's max_sort_length
// does not make a batch end where the next one does not begin.
func TestSeedWhereNamesAreSortedByTheirBeginnings(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor, servertest.Set("max_sort_length", "64"))
		pair.Schemas = nil
		source.Exec("CREATE DATABASE s")
		for i := range 45 {
			table := query.QuoteTable("s", strings.Repeat("日", 22)+fmt.Sprintf("%02d", i*37%45))
			source.Exec("CREATE TABLE "+table+" (id INT PRIMARY KEY)", "INSERT INTO "+table+" VALUES (1)")
		}
		require.NoError(t, StepWith(pair, Options{batchTables: 2}).Op.Apply(t.Context()))
		require.Equal(t, "45", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 's'"))
		requireSameTables(t, source, target, "s")
	})
}

// TestSeedDoesNotEndWithoutATable proves that the end of a seed notices a table that was
// lost.
func TestSeedDoesNotEndWithoutATable(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	pair.Schemas = nil
	replicationtest.MakeBlogs(source, 1)
	run := beginBatchRun(t, pair, 3)
	require.NoError(t, run.eachBatch(t.Context(), func(context.Context, tableBatch) error { return nil }))
	lost, err := run.uncopiedTable(t.Context())
	require.NoError(t, err)
	require.Zero(t, lost)
	target.Exec("DELETE FROM migrate.seed_tables WHERE table_name = 'wp_7'")
	lost, err = run.uncopiedTable(t.Context())
	require.NoError(t, err)
	require.Equal(t, table.Name{Schema: "blog0", Name: "wp_7"}, lost)
}

// TestBatchesKeepToTheirTables proves that a batch does not take the tables of others for
// dropped ones.
func TestBatchesKeepToTheirTables(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	pair.Schemas = nil
	source.Exec("CREATE DATABASE s")
	for i := range 20 {
		source.Exec(fmt.Sprintf("CREATE TABLE s.t%02d (id INT PRIMARY KEY)", i))
	}
	nothing := func(context.Context, tableBatch) error { return nil }
	require.NoError(t, beginBatchRun(t, pair, 2).eachBatch(t.Context(), nothing))
	mark := []string{"SET sql_log_bin = 0"}
	for i := range 20 {
		mark = append(mark, fmt.Sprintf("INSERT INTO s.t%02d VALUES (7)", i))
	}
	target.Exec(mark...)
	source.Exec("DROP TABLE s.t05", "CREATE TABLE s.t20 (id INT PRIMARY KEY)")
	require.NoError(t, beginBatchRun(t, pair, 2).eachBatch(t.Context(), nothing))
	for i := range 20 {
		if i != 5 {
			require.Equal(t, "7", target.Value(fmt.Sprintf("SELECT MAX(id) FROM s.t%02d", i)), "t%02d was made already", i)
		}
	}
	require.Equal(t, "t20", target.Value("SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 's' AND TABLE_NAME IN ('t05', 't20')"))
}

// TestDDLBetweenBatches renames, replaces and changes tables when some of them are copied
// and others not, and has foreign keys change rows of other batches.
func TestDDLBetweenBatches(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		pair.Schemas = nil
		source.Exec("CREATE DATABASE s", "CREATE DATABASE z")
		for i := range 20 {
			table := fmt.Sprintf("s.t%02d", i)
			source.Exec("CREATE TABLE "+table+" (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20), UNIQUE KEY v (v))", "INSERT INTO "+table+" (v) VALUES ('a'), ('b'), ('c')")
		}
		source.Exec("CREATE TABLE z.parent (id INT PRIMARY KEY)", "INSERT INTO z.parent VALUES (1),(2),(3)",
			"CREATE TABLE s.a_child (id INT PRIMARY KEY, p INT, CONSTRAINT f FOREIGN KEY (p) REFERENCES z.parent (id) ON DELETE CASCADE ON UPDATE CASCADE)",
			"INSERT INTO s.a_child VALUES (1,1),(2,2),(3,3)", "CREATE TABLE s.keyless (v INT)", "INSERT INTO s.keyless VALUES (1),(1)")
		run := beginBatchRun(t, pair, 2)
		var err error
		run.reader, err = binlog.Open(t.Context(), pair.Source)
		require.NoError(t, err)
		defer func() { _ = run.reader.Close(t.Context()) }()
		n := 0
		require.NoError(t, run.eachBatch(t.Context(), func(ctx context.Context, b tableBatch) error {
			switch n++; n {
			case 3:
				source.Exec("DELETE FROM z.parent WHERE id = 1", "UPDATE z.parent SET id = 9 WHERE id = 2",
					"RENAME TABLE s.t15 TO s.a_first, s.t00 TO s.t19b", "DROP TABLE s.t01", "CREATE TABLE s.t01 (x BIGINT PRIMARY KEY, v INT)",
					"INSERT INTO s.t01 VALUES (77, 1)", "ALTER TABLE s.t14 ADD COLUMN more INT FIRST", "UPDATE s.t14 SET more = 3, v = CONCAT(v, 'x')",
					"DROP TABLE s.t13", "CREATE TABLE s.`T13` (id INT PRIMARY KEY)", "INSERT INTO s.`T13` VALUES (5)")
			case 6:
				source.Exec("DELETE FROM s.t02 WHERE id = 2", "UPDATE s.t12 SET v = 'zzz' WHERE id = 1", "TRUNCATE TABLE s.t03", "INSERT INTO s.keyless VALUES (2)",
					"ALTER TABLE s.t04 DROP PRIMARY KEY, MODIFY id INT", "INSERT INTO s.t04 VALUES (8, 'eight')", "INSERT INTO s.t05 (id, v) VALUES (100, 'h')")
			}
			return run.copyRanges(ctx, b)
		}))
		require.NoError(t, run.catchUpRounds(t.Context()))
		require.NoError(t, run.runAttempts(t.Context(), false))
		requireSameTables(t, source, target, "s", "z")
	})
}

// TestResumedSeedKnowsHowMuchIsLeft proves that the pass that copies a table knows its
// size although an earlier pass has read it.
func TestResumedSeedKnowsHowMuchIsLeft(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, _ := replicationtest.Start(t, flavor)
		pair.Schemas = nil
		source.Exec("CREATE DATABASE s")
		for i := range 6 {
			source.Exec(fmt.Sprintf("CREATE TABLE s.t%d (id INT PRIMARY KEY, v LONGBLOB)", i),
				fmt.Sprintf("INSERT INTO s.t%d VALUES (1, REPEAT('x', 1000000)), (2, REPEAT('y', 1000000)), (3, REPEAT('y', 1000000))", i), fmt.Sprintf("ANALYZE TABLE s.t%d", i))
		}
		run := beginBatchRun(t, pair, 10)
		nothing := func(context.Context, tableBatch) error { return nil }
		require.NoError(t, run.eachBatch(t.Context(), nothing))
		before := run.progress.Now()
		require.Greater(t, before.TotalBytes, int64(10e6))
		require.NoError(t, run.eachBatch(t.Context(), func(ctx context.Context, b tableBatch) error {
			require.Len(t, b.tables, 6)
			for _, table := range b.tables {
				require.False(t, (&keyRange{table: table}).isSmall(), "%d bytes, %d rows", table.Bytes, table.rows)
			}
			now := run.progress.Now()
			require.Equal(t, before.TotalBytes, now.TotalBytes)
			require.Equal(t, before.TotalRows, now.TotalRows)
			return run.copyRanges(ctx, b)
		}))
		now := run.progress.Now()
		require.Equal(t, []int64{6, 6, 18}, []int64{int64(now.Tables), int64(now.Done), now.Rows})
	})
}

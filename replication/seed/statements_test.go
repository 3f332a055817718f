package seed

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/wait"
)

// statementCase is a statement that changes rows without logging them. It names tables as
// T and, where there is another, U; both have the same columns.
type statementCase struct {
	before []string
	run    string
	mode   string // the session's sql_mode
	client string // the session's character set; "" is utf8mb4
	name   string // of the table T, as the server has it; "" is one without special characters
}

var statementCases = map[servertest.Flavor][]statementCase{
	servertest.MariaDB: {
		{run: "SET STATEMENT max_statement_time=30 FOR TRUNCATE T"},
		{run: "SET STATEMENT max_statement_time=30, lock_wait_timeout=9 FOR ALTER TABLE T ADD COLUMN extra INT DEFAULT 5"},
		{run: "SET STATEMENT max_statement_time=30 FOR RENAME TABLE T TO load1.swap, U TO T, load1.swap TO U"},
		{run: "SET STATEMENT sql_mode='' FOR TRUNCATE \"load1\".\"quoted\"", mode: "ANSI_QUOTES", name: "quoted"},
		{run: "/*M!100100 TRUNCATE T */"},
		{run: "/*M! ALTER TABLE T */ ADD COLUMN extra INT DEFAULT 6"},
		{run: "BEGIN NOT ATOMIC TRUNCATE T; END"},
		{run: "EXECUTE IMMEDIATE 'TRUNCATE T'"},
		{run: "CREATE OR REPLACE TABLE T SELECT 7 AS id, 'new' AS v"},
		{run: "SET STATEMENT max_statement_time=30 FOR CREATE OR REPLACE TABLE T (id INT PRIMARY KEY, v TEXT)"},
		{run: "TRUNCATE T WAIT 5"},
		{run: "ALTER TABLE T CONVERT TABLE load1.part TO PARTITION p9 VALUES LESS THAN (100)", before: []string{
			"ALTER TABLE T PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (50))", "CREATE TABLE load1.part (id INT PRIMARY KEY, v TEXT)", "INSERT INTO load1.part VALUES (60, 'part')",
		}},
		{run: "TRUNCATE [load1].[bracket]", mode: "MSSQL", name: "bracket"},
	},
	servertest.MySQL: {
		{run: "/*!80000 TRUNCATE T */"},
		{run: "/*!080000 TRUNCATE T */"},
	},
}

// bothCases run on both flavors.
var bothCases = []statementCase{
	{run: "/*!50000 TRUNCATE T */"},
	{run: "/*! TRUNCATE */ /* it's */ T -- `\n"},
	{run: "# a comment\nTRUNCATE T"},
	{run: "ALTER TABLE T COMMENT 'it''s \\' -- ', RENAME load1.renamed"},
	{run: "TRUNCATE \"load1\".\"ansi\"", mode: "ANSI_QUOTES", name: "ansi"},
	{run: "TRUNCATE `load1`.`back``tick`", name: "back`tick"},
	{run: "TRUNCATE `load1`.`t\xe4g`", client: "latin1", name: "täg"},
	{run: "TRUNCATE load1.t\xebg", client: "latin1", name: "tëg"},
	{run: "DROP TABLE `load1`.`w\xebg`", client: "latin1", name: "wëg"},
	{run: "TRUNCATE `load1`.`\xd5\x5c`", client: "gbk", name: "誠"},
	{run: "TRUNCATE `load1`.`\x81\x60`", client: "sjis", name: "〜"},
	{run: "ALTER TABLE T COMMENT '\x95\x5c', RENAME load1.renamed2", client: "sjis"},
	{run: "ALTER TABLE T COMMENT 'a\\', RENAME load1.renamed3 -- '", mode: "NO_BACKSLASH_ESCAPES"},
	{run: "ALTER TABLE T TRUNCATE PARTITION p0", before: []string{"ALTER TABLE T PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (2), PARTITION p1 VALUES LESS THAN (100))"}},
	{run: "ALTER TABLE T EXCHANGE PARTITION p0 WITH TABLE U", before: []string{"ALTER TABLE T PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (2), PARTITION p1 VALUES LESS THAN (100))", "DELETE FROM U WHERE id > 1"}},
	{run: "CALL load1.wipe()", before: []string{"CREATE PROCEDURE load1.wipe() TRUNCATE T"}},
	{run: "CREATE TABLE IF NOT EXISTS load1.fresh SELECT 1 AS id, 'x' AS v"},
	{run: "RENAME TABLE T TO load1.old_one, U TO T"},
}

// TestSeedSeesStatementsInAllSpellings runs, during the copy, statements that change rows
// without logging them, and compares all rows.
func TestSeedSeesStatementsInAllSpellings(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		var during [][]string
		for i, c := range append(append([]statementCase{}, bothCases...), statementCases[flavor]...) {
			first, second := fmt.Sprintf("load1.stmt%d", i), fmt.Sprintf("load1.other%d", i)
			if c.name != "" {
				first = "load1.`" + strings.ReplaceAll(c.name, "`", "``") + "`"
			}
			fill := func(s string) string {
				return strings.NewReplacer(" T ", " "+first+" ", " T;", " "+first+";", " T'", " "+first+"'", " U ", " "+second+" ", " T,", " "+first+",", " U,", " "+second+",").Replace(s + " ")
			}
			for k, name := range []string{first, second} {
				source.Exec("SET NAMES utf8mb4", "CREATE TABLE "+name+" (id INT PRIMARY KEY, v TEXT)", fmt.Sprintf("INSERT INTO %s VALUES (1, 'a%d'), (2, 'b%d')", name, k, k))
			}
			for _, b := range c.before {
				source.Exec(fill(b))
			}
			client := "utf8mb4"
			if c.client != "" {
				client = c.client
			}
			during = append(during, []string{"SET sql_mode = '" + c.mode + "'", "SET NAMES " + client, fill(c.run)})
		}
		finish := startHeld(t, pair, source)
		for _, list := range during {
			source.Exec(list...)
		}
		require.NoError(t, finish())
		requireSameBytes(t, "load1", source, target)
	})
}

// repeatFiveTimesASecond runs statements again and again until stop is called.
func repeatFiveTimesASecond(t *testing.T, s *servertest.Instance, list [][]string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var runners sync.WaitGroup
	for _, statements := range list {
		runners.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				for _, statement := range statements {
					err := wire.RetryDeadlock(ctx, "a test's statement", func() error {
						_, err := s.Root().ExecContext(context.WithoutCancel(ctx), strings.ReplaceAll(statement, "$i", fmt.Sprint(i)))
						return err
					})
					if err != nil && ctx.Err() == nil {
						t.Errorf("%s: %v", statement, err)
						return
					}
				}
				_ = wait.For(ctx, 200*time.Millisecond)
			}
		})
	}
	return func() { cancel(); runners.Wait() }
}

// TestSeedIsNotFrightenedByStatements runs, five times a second until the seed is done,
// statements that change nothing, or only small tables.
func TestSeedIsNotFrightenedByStatements(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		pair.Schemas = []string{"load1"}
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		source.Exec("CREATE TABLE load1.cache_big (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE load1.tiny (id INT PRIMARY KEY, v TEXT)",
			"CREATE TABLE load1.swapped (id INT PRIMARY KEY, v TEXT)", "INSERT INTO load1.tiny VALUES (1, 'a')", "CREATE TABLE load1.numbered (id INT)")
		list := [][]string{
			{"CREATE TABLE IF NOT EXISTS load1.big (id INT PRIMARY KEY)"},
			{"TRUNCATE load1.cache_big", "INSERT INTO load1.cache_big VALUES ($i, 'big')"},
			{"DROP TABLE IF EXISTS load1.big_old"},
			{"ALTER TABLE load1.tiny COMMENT 'as big'", "REPLACE INTO load1.tiny VALUES ($i % 7, 'b$i')"},
			{"ALTER TABLE load1.numbered COMMENT 'big $i'", "INSERT INTO load1.numbered VALUES ($i)"},
			{"CREATE DATABASE IF NOT EXISTS load1"},
			{"CREATE DATABASE load1_test", "CREATE TABLE load1_test.big (id INT)", "DROP DATABASE load1_test"},
			{"ALTER DATABASE load1 COLLATE utf8mb4_bin"},
			{"CREATE OR REPLACE VIEW load1.seen AS SELECT * FROM load1.big"},
			{"CREATE TABLE load1.scratch (id INT PRIMARY KEY)", "INSERT INTO load1.scratch VALUES (1)", "DROP TABLE load1.scratch"},
			{
				"CREATE TABLE load1.next_one LIKE load1.swapped", "INSERT INTO load1.next_one VALUES ($i, 'swapped')",
				"RENAME TABLE load1.swapped TO load1.last_one, load1.next_one TO load1.swapped", "DROP TABLE load1.last_one",
			},
			{"ANALYZE TABLE load1.big"},
		}
		stop := repeatFiveTimesASecond(t, source, list)
		notes := &replicationtest.Notes{}
		err := StepWith(pair, Options{BytesPerSecond: 8 << 20}).Op.Apply(notes.Context(t.Context()))
		stop()
		require.NoError(t, err, "%s", notes.Text())
		require.NotContains(t, notes.Text(), "load1.big ", "it was copied once")
		require.NotContains(t, notes.Text(), "not recognised")
		// The copy may end between two statements of a schema that is not copied.
		target.Exec(map[servertest.Flavor]string{
			servertest.MariaDB: `SET GLOBAL replicate_wild_ignore_table = 'load1\_test.%'`, servertest.MySQL: `CHANGE REPLICATION FILTER REPLICATE_WILD_IGNORE_TABLE = ('load1\_test.%')`,
		}[flavor])
		replicationtest.Replicate(t, flavor, source, target)
		replicationtest.Settle(t, pair.Source, pair.Target)
		replicationtest.RequireSameRows(t, "load1", source, target)
		report, err := verify.Run(t.Context(), pair, verify.Options{})
		require.NoError(t, err)
		require.Empty(t, report.Differences)
	})
}

// TestSeedOfAllSchemasWithNamesInAnyCase moves all schemas of a server that compares names
// without regard to case. A schema that comes and goes does not begin the seed again.
func TestSeedOfAllSchemasWithNamesInAnyCase(t *testing.T) {
	folded := servertest.Set("lower_case_table_names", "1")
	pair, source, target := replicationtest.Start(t, servertest.MariaDB, folded)
	pair.Schemas = nil
	replicationtest.MakeLoadSchema(source)
	replicationtest.MakeBigTable(source)
	source.Exec("CREATE TABLE load1.Upper (id INT PRIMARY KEY)", "CREATE TABLE load1.other (id INT PRIMARY KEY)", "INSERT INTO load1.upper VALUES (1)", "INSERT INTO load1.other VALUES (2)")
	finish := startHeld(t, pair, source)
	stop := repeatFiveTimesASecond(t, source, [][]string{{"CREATE DATABASE scratch", "DROP DATABASE scratch"}})
	source.Exec("TRUNCATE Load1.UPPER", "INSERT INTO load1.upper VALUES (7)", "RENAME TABLE LOAD1.Other TO Load1.Another", "CREATE TABLE IF NOT EXISTS LOAD1.Posts (id INT)")
	err := finish()
	stop()
	require.NoError(t, err)
	requireSameBytes(t, "load1", source, target)
}

// TestSeedRefusesATableThatDDLChangesWithoutEnd changes a table that is too large to be
// copied in the last snapshot.
func TestSeedRefusesATableThatDDLChangesWithoutEnd(t *testing.T) {
	pair, source, _ := replicationtest.Start(t, servertest.MariaDB)
	replicationtest.MakeLoadSchema(source)
	source.Exec("CREATE TABLE load1.large (id INT PRIMARY KEY, v TEXT)")
	source.Exec("CREATE TABLE load1.parent (id INT PRIMARY KEY)", "CREATE TABLE load1.child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES load1.parent (id) ON DELETE CASCADE)")
	run := beginBatchRun(t, pair, 7)
	require.NoError(t, run.eachBatch(t.Context(), func(context.Context, tableBatch) error { return nil }))
	id, parent := table.Name{Schema: "load1", Name: "large"}, table.Name{Schema: "load1", Name: "parent"}
	large, ok := run.known.get(id)
	require.True(t, ok)
	large.Bytes = restlessBytes + 1<<20
	run.known.put(large)
	for range maxRecopies {
		require.NoError(t, run.markDirty(t.Context(), map[table.Name]bool{id: true, parent: true}, nil))
		require.Empty(t, run.restless)
		clear(run.dirty)
	}
	err := run.markDirty(t.Context(), map[table.Name]bool{id: true}, nil)
	require.ErrorContains(t, err, "load1.large")
	replicationtest.RequireHint(t, err, "freeze")
}

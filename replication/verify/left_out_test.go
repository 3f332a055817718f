package verify

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestWhatTheSourceCannotUseIsLeftOut has what a server keeps and does not take anew. The
// seed leaves it out and says so, verify leaves out the same and says so, and nothing of it
// keeps events from changing sides.
func TestWhatTheSourceCannotUseIsLeftOut(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("SET GLOBAL event_scheduler = OFF", "CREATE DATABASE shop", "USE shop", "CREATE USER u@'%' IDENTIFIED BY 'x'",
			"CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, c TEXT, d TEXT, `x, y` INT, KEY (b), FULLTEXT KEY (c), FULLTEXT KEY (d), KEY dd (d(5)))",
			"INSERT INTO t (id, c, d) VALUES (1, 'some words', 'more words')",
			// Grants on what is dropped afterwards.
			"CREATE TABLE gone (id INT, b INT)", "GRANT SELECT, INSERT (id) ON gone TO u@'%'",
			"GRANT SELECT (a, b, `x, y`), UPDATE (a), INSERT ON t TO u@'%'", "ALTER TABLE t DROP a, DROP `x, y`",
			"GRANT SELECT ON nowhere.* TO u@'%'", "GRANT SELECT, CREATE ON daily TO u@'%'", "GRANT ALL ON weekly TO u@'%'",
			"CREATE TABLE monthly (id INT)", "GRANT CREATE, DROP, UPDATE (id) ON monthly TO u@'%'", "DROP TABLE monthly",
			// Definitions and grants are printed without quotes to other sessions.
			"SET GLOBAL sql_quote_show_create = OFF",
			// Views that cannot be read.
			"CREATE VIEW v AS SELECT * FROM gone", "CREATE VIEW v2 AS SELECT * FROM v", "CREATE VIEW fine AS SELECT id FROM t",
			"CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1", "CREATE VIEW v3 AS SELECT f() AS n", "DROP FUNCTION f", "DROP TABLE gone",
			// Events that are over, and others.
			"CREATE EVENT once ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND DO SET @x = 1",
			"CREATE EVENT off ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND DISABLE DO SET @x = 1",
			"SET time_zone = '-11:00'", "CREATE EVENT west ON SCHEDULE EVERY 1 DAY ENDS CURRENT_TIMESTAMP + INTERVAL 1 SECOND DO SET @x = 1",
			"CREATE EVENT later ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 HOUR DO SET @x = 1",
			"SET time_zone = DEFAULT", "CREATE EVENT kept ON SCHEDULE EVERY 1 DAY ENDS CURRENT_TIMESTAMP + INTERVAL 1 SECOND ON COMPLETION PRESERVE DO SET @x = 1",
			// Passwords that have expired.
			"CREATE USER old@'%' IDENTIFIED BY 'x' PASSWORD EXPIRE ACCOUNT LOCK", "CREATE USER young@'%' IDENTIFIED BY 'x' PASSWORD EXPIRE INTERVAL 9 DAY",
		)
		if flavor == servertest.MySQL {
			source.Exec("SET SESSION restrict_fk_on_non_standard_key = OFF", "CREATE TABLE shop.child (id INT PRIMARY KEY, b INT, FOREIGN KEY (b) REFERENCES shop.t (b))",
				"SET SESSION restrict_fk_on_non_standard_key = DEFAULT")
		}
		require.Eventually(t, func() bool {
			return source.Value("SELECT MAX(EXECUTE_AT) < NOW() - INTERVAL 1 SECOND FROM information_schema.EVENTS WHERE EVENT_NAME = 'off'") == "1"
		}, 10*time.Second, 100*time.Millisecond)
		var notes replicationtest.Notes
		require.NoError(t, seed.Step(pair).Op.Apply(notes.Context(t.Context())))
		report, err := Run(t.Context(), pair, Options{})
		require.NoError(t, err)
		require.Empty(t, report.Differences)
		var titles []string
		for _, left := range report.LeftOut {
			title, _, _ := strings.Cut(left, ": ")
			if account, ok := strings.CutPrefix(title, "account "); ok {
				title = strings.TrimPrefix(left, "account "+account+": a grant on ")
				require.Contains(t, notes.Text(), left)
			} else {
				require.Contains(t, notes.Text(), title+" is left out: ")
			}
			titles = append(titles, title)
		}
		require.ElementsMatch(t, []string{
			"column shop.monthly.id, which does not exist", "column shop.t.a, which does not exist", "column shop.t.x, y, which does not exist", "table shop.gone, which does not exist",
			"event shop.off", "event shop.once", "event shop.west", "view shop.v", "view shop.v2", "view shop.v3",
		}, titles)
		require.Contains(t, report.Summary(), "; 10 left out")
		require.Equal(t, "fine", target.Value("SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'shop'"))
		require.Equal(t, "kept,later", target.Value("SELECT GROUP_CONCAT(EVENT_NAME ORDER BY EVENT_NAME) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'shop'"))
		require.Contains(t, target.Value("SHOW CREATE USER old@'%'"), "PASSWORD EXPIRE")
		require.Equal(t, "daily,monthly,t,weekly", target.Value("SELECT GROUP_CONCAT(Table_name ORDER BY 1) FROM mysql.tables_priv WHERE Db = 'shop'"),
			"grants with CREATE on tables that are gone")

		for _, on := range []bool{false, true} {
			require.NoError(t, replicationtest.Apply(t, schema.Events(pair.Source, nil, on)))
			require.NoError(t, replicationtest.Apply(t, schema.Events(pair.Target, nil, on)))
		}
	})
}

// TestOnlyFilesKeepSomeTables has tables that a seed by rows refuses before it makes anything.
func TestOnlyFilesKeepSomeTables(t *testing.T) { // H21
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE shop")
		if flavor == servertest.MariaDB {
			source.Exec("SET GLOBAL mysql56_temporal_format = OFF", "CREATE TABLE shop.old (id INT PRIMARY KEY, d DATETIME)", "SET GLOBAL mysql56_temporal_format = ON")
		} else {
			source.Exec("CREATE TABLESPACE ts ADD DATAFILE 'ts.ibd'", "CREATE TABLE shop.old (id INT PRIMARY KEY) TABLESPACE ts")
		}
		replicationtest.RequireHint(t, seed.Step(pair).Op.Apply(t.Context()), "shop.old ", "H21")
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ('shop', 'migrate')"))
		if flavor == servertest.MariaDB {
			source.Exec("ALTER TABLE shop.old FORCE")
		} else {
			source.Exec("ALTER TABLE shop.old TABLESPACE innodb_file_per_table")
		}
		require.NoError(t, seed.Step(pair).Op.Apply(t.Context()))
	})
}

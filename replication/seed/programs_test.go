package seed

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/report"
)

// programStatements make views, routines, triggers, events and accounts that
// are awkward to copy.
func programStatements(flavor servertest.Flavor) []string {
	defaultRole := "SET DEFAULT ROLE staff FOR writer@'%'"
	if flavor == servertest.MySQL {
		defaultRole = "SET DEFAULT ROLE staff TO writer@'%'"
	}
	return []string{
		"CREATE DATABASE app CHARACTER SET latin1", "CREATE DATABASE `other-db`", "USE app",
		"CREATE USER writer@'%' IDENTIFIED BY 'w'", "CREATE USER reader@'10.%' IDENTIFIED BY 'r' REQUIRE SSL WITH MAX_USER_CONNECTIONS 5",
		"CREATE ROLE staff", "GRANT SELECT ON app.* TO staff", "GRANT staff TO writer@'%'", defaultRole,
		"CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT, name VARCHAR(20))",
		"CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(20))",
		"CREATE VIEW b_base AS SELECT id, n FROM t", "CREATE VIEW a_on_base AS SELECT * FROM b_base WHERE n > 0",
		"CREATE DEFINER=writer@'%' SQL SECURITY INVOKER VIEW `other-db`.cross_view AS SELECT * FROM app.a_on_base",
		"CREATE TABLE doomed (id INT)", "CREATE VIEW broken AS SELECT * FROM doomed", "DROP TABLE doomed",
		"SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'",
		`CREATE DEFINER=writer@'%' FUNCTION "hello"(x VARCHAR(10)) RETURNS VARCHAR(20) DETERMINISTIC RETURN 'hi ' || x`,
		"SET sql_mode = DEFAULT", "SET NAMES latin1",
		"CREATE PROCEDURE legacy() SELECT '\xe9' AS e", "SET NAMES utf8mb4",
		"CREATE PROCEDURE add_one(IN x INT) BEGIN INSERT INTO t (n) VALUES (x); END",
		"GRANT EXECUTE ON PROCEDURE app.add_one TO writer@'%'", "GRANT EXECUTE ON FUNCTION app.hello TO writer@'%'", "GRANT SELECT (n) ON app.t TO reader@'10.%'",
		"CREATE TRIGGER first_one AFTER INSERT ON t FOR EACH ROW INSERT INTO log (what) VALUES ('first')",
		"CREATE TRIGGER a_second AFTER INSERT ON t FOR EACH ROW FOLLOWS first_one INSERT INTO log (what) VALUES ('second')",
		"SET time_zone = '+05:00'",
		"CREATE EVENT ` ON COMPLETION PRESERVE ENABLE x` ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE COMMENT 'ON COMPLETION PRESERVE ENABLE' DO DELETE FROM log",
		"CREATE EVENT off_event ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM log",
		"SET time_zone = DEFAULT", "ALTER DATABASE app CHARACTER SET utf8mb4",
		"INSERT INTO t (n) VALUES (1), (2)",
	}
}

func TestSeedCopiesProgramsAccountsAndGrants(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		if flavor == servertest.MySQL {
			for _, s := range []*servertest.Instance{source, target} {
				s.Exec("SET GLOBAL log_bin_trust_function_creators = 1")
			}
		}
		source.Exec(programStatements(flavor)...)
		require.NoError(t, Step(pair).Op.Apply(t.Context()))
		require.Equal(t, "4", target.Value("SELECT COUNT(*) FROM app.log"), "no trigger fired on a copied row")
		require.Equal(t, "1", target.Value("SELECT app.hello('you') = 'hi you'"), "a function keeps its sql_mode")
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.EVENTS WHERE STATUS = 'ENABLED'"))
		require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM information_schema.EVENTS WHERE STATUS = 'DISABLED'"))
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_NAME = 'broken'"))

		replicationtest.Replicate(t, flavor, source, target)
		replicationtest.Settle(t, pair.Source, pair.Target)
		report, err := verify.Run(t.Context(), pair, verify.Options{})
		require.NoError(t, err)
		require.Empty(t, report.Differences)
		require.Len(t, report.LeftOut, 1)
		require.Contains(t, report.LeftOut[0], "view app.broken: it is broken on the source")
		require.Equal(t, int64(4), report.Accounts, "with the account of replicationtest.Replicate, which is not migrate's")

		for _, query := range []string{
			"SELECT GROUP_CONCAT(EVENT_NAME, TIME_ZONE, STARTS ORDER BY 1) FROM information_schema.EVENTS WHERE EVENT_NAME LIKE '%PRESERVE%'",
			"SELECT GROUP_CONCAT(ROUTINE_NAME, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, DATABASE_COLLATION ORDER BY 1) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='app'",
			"SELECT GROUP_CONCAT(TRIGGER_NAME, ACTION_ORDER ORDER BY 1) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='app'",
			"SELECT HEX(ROUTINE_DEFINITION) FROM information_schema.ROUTINES WHERE ROUTINE_NAME='legacy'",
		} {
			require.Equal(t, source.Value(query), target.Value(query), query)
		}
		login := target.Open("writer", "w", "tcp")
		defer login.Close()
		var n int
		require.NoError(t, login.QueryRow("SELECT COUNT(*) FROM app.t").Scan(&n), "by the default role")
		require.Equal(t, 2, n)
	})
}

func TestSeedRefusesATargetWithData(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	replicationtest.MakeLoadSchema(source)
	target.Exec("CREATE DATABASE load1", "CREATE TABLE load1.precious (id INT)")
	step := Step(pair)
	_, err := step.Op.Check(t.Context())
	require.ErrorContains(t, err, "already holds load1")
	require.NotEmpty(t, report.Hint(err))
	require.Error(t, step.Op.Apply(t.Context()))
	require.NoError(t, step.Op.Undo(t.Context(), json.RawMessage(`{}`)))
	require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = 'precious'"))
}

func TestSeedRefusesAnAccountThatDiffers(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	replicationtest.MakeLoadSchema(source)
	source.Exec("CREATE USER app@'%' IDENTIFIED BY 'one'", "CREATE USER same@'%' IDENTIFIED BY 'x'")
	target.Exec("CREATE USER app@'%' IDENTIFIED BY 'two'", "CREATE USER same@'%' IDENTIFIED BY 'x'")
	err := Step(pair).Op.Apply(t.Context())
	require.ErrorContains(t, err, "account `app`@`%` is on the target already")
	require.NotContains(t, err.Error(), "same")
	require.NotContains(t, err.Error(), "*", "no hash in an error")
	target.Exec("DROP USER app@'%'")
	require.NoError(t, Step(pair).Op.Apply(t.Context()))
	replicationtest.WhileFenced(target, func() { require.NoError(t, Step(pair).Op.Undo(t.Context(), json.RawMessage(`{}`))) })
	require.Equal(t, "same", target.Value("SELECT GROUP_CONCAT(User) FROM mysql.user WHERE User IN ('app', 'same')"), "undo drops what the seed made, no more")
}

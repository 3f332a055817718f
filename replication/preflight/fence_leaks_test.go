package preflight

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// A session keeps the privileges that its account had when it logged in (H14).
func TestFixOfAPrivilegedAccountReachesItsOpenSessions(t *testing.T) {
	p := replicationtest.StartApp(t, servertest.MariaDB)
	p.SourceInstance.Exec("CREATE USER pool@'%' IDENTIFIED BY 'x'", "GRANT ALL ON app.* TO pool@'%'", "GRANT READ_ONLY ADMIN ON *.* TO pool@'%'")
	pooled := replicationtest.Session(t, p.SourceInstance, "pool", "x")
	const insert = "INSERT INTO app.notes (text) VALUES (UUID())"
	_, err := pooled.ExecContext(t.Context(), insert)
	require.NoError(t, err)

	const revoke, kill = "REVOKE READ_ONLY ADMIN ON *.* FROM 'pool'@'%'", "KILL USER 'pool'"
	fence := fence.Set(p.Source, fence.Options{Wait: time.Second})
	err = replicationtest.Apply(t, fence)
	require.ErrorContains(t, err, "'pool'@'%'")
	require.Contains(t, report.Hint(err), revoke+"; then "+kill)
	require.Contains(t, hazards(t, p.Pair, Options{}, Refuse), revoke+"; then "+kill)

	p.SourceInstance.Exec(revoke, kill)
	require.NoError(t, replicationtest.Apply(t, fence))
	_, err = pooled.ExecContext(t.Context(), insert)
	require.Error(t, err, "the session is gone")
	_, err = replicationtest.Session(t, p.SourceInstance, "pool", "x").ExecContext(t.Context(), insert)
	require.ErrorContains(t, err, "read-only")
}

// A routine runs with the privileges of its definer (H14).
func TestFenceRefusesRoutinesThatLendAPrivilege(t *testing.T) {
	p := replicationtest.StartApp(t, servertest.MariaDB)
	p.SourceInstance.Exec("CREATE SCHEMA other", "CREATE ROLE chief", "GRANT READ_ONLY ADMIN, INSERT ON *.* TO chief",
		"CREATE DEFINER=root@localhost PROCEDURE app.say(t VARCHAR(50)) INSERT INTO app.notes (text) VALUES (t)",
		"CREATE DEFINER=chief FUNCTION other.`f n`() RETURNS INT MODIFIES SQL DATA DETERMINISTIC BEGIN INSERT INTO app.notes (text) VALUES ('f'); RETURN 1; END",
		"CREATE DEFINER=root@localhost PROCEDURE app.tame() SQL SECURITY INVOKER INSERT INTO app.notes (text) VALUES ('tame')",
		"CREATE DEFINER=writer@localhost PROCEDURE app.weak() INSERT INTO app.notes (text) VALUES ('weak')",
		"CREATE USER pool@'%' IDENTIFIED BY 'x'", "GRANT EXECUTE, SELECT, INSERT ON *.* TO pool@'%'")
	app := replicationtest.Session(t, p.SourceInstance, "pool", "x")

	const fixes = "ALTER PROCEDURE `app`.`say` SQL SECURITY INVOKER; ALTER FUNCTION `other`.`f n` SQL SECURITY INVOKER"
	f := fence.Set(p.Source, fence.Options{Wait: time.Second})
	err := replicationtest.Apply(t, f)
	require.ErrorContains(t, err, "procedure `app`.`say` (definer root@localhost), function `other`.`f n` (definer chief)")
	require.NotContains(t, err.Error(), "tame")
	require.NotContains(t, err.Error(), "weak")
	require.Contains(t, report.Hint(err), fixes)
	require.Equal(t, "0", p.SourceInstance.Value("SELECT @@GLOBAL.read_only"))

	require.Contains(t, hazards(t, p.Pair, Options{}, Refuse), fixes)
	require.NotContains(t, hazards(t, p.Pair, Options{Dual: true}, Refuse), "H14")
	require.Contains(t, hazards(t, p.Pair, Options{Dual: true}, Warn), fixes)
	admins := []string{"root", "chief"}
	require.NotContains(t, hazards(t, p.Pair, Options{Admins: admins}, Refuse), "H14")
	require.Contains(t, hazards(t, p.Pair, Options{Admins: admins}, Warn), "`app`.`say`")
	require.Contains(t, hazards(t, p.Pair, Options{Admins: []string{"root"}}, Refuse), "`other`.`f n`")
	_, err = fence.Set(p.Source, fence.Options{Admins: admins}).Op.Check(t.Context())
	require.NoError(t, err)

	p.SourceInstance.Exec("ALTER PROCEDURE `app`.`say` SQL SECURITY INVOKER", "ALTER FUNCTION `other`.`f n` SQL SECURITY INVOKER")
	require.NoError(t, replicationtest.Apply(t, f))
	for _, statement := range []string{"CALL app.say('after')", "DO other.`f n`()", "CALL app.tame()", "CALL app.weak()"} {
		_, err := app.ExecContext(t.Context(), statement)
		require.ErrorContains(t, err, "read-only", statement)
	}
	require.Equal(t, "0", p.SourceInstance.Value("SELECT COUNT(*) FROM app.notes"))
}

func TestFenceRefusesAnApplicationUnderRoot(t *testing.T) { // H14
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		app := replicationtest.Session(t, p.SourceInstance, "root", "")
		f := fence.Set(p.Source, fence.Options{Wait: time.Second})
		passes := flavor == servertest.MariaDB
		if passes {
			err := replicationtest.Apply(t, f)
			require.ErrorContains(t, err, "(root from localhost, sleep for ")
			require.Contains(t, report.Hint(err), "cutover.admins")
			require.Equal(t, "0", p.SourceInstance.Value("SELECT @@GLOBAL.read_only"))
			require.Contains(t, hazards(t, p.Pair, Options{}, Refuse), "root from localhost")
			require.Contains(t, hazards(t, p.Pair, Options{Dual: true}, Warn), "root from localhost")
			require.NotContains(t, hazards(t, p.Pair, Options{Admins: []string{"root"}}, Refuse), "H14")
			_, err = fence.Set(p.Source, fence.Options{Admins: []string{"root"}}).Op.Check(t.Context())
			require.NoError(t, err)
			app.Close()
			require.Eventually(t, func() bool { _, err := f.Op.Check(t.Context()); return err == nil }, 10*time.Second, 10*time.Millisecond)
		}
		require.NoError(t, replicationtest.Apply(t, f))
		if !passes {
			_, err := app.ExecContext(t.Context(), "INSERT INTO app.notes (text) VALUES ('after')")
			require.ErrorContains(t, err, "read-only", "no login bypasses super_read_only")
		}
	})
}

func TestPreflightLooksAtTheTargetsAccounts(t *testing.T) { // H14
	p := replicationtest.StartApp(t, servertest.MariaDB)
	p.TargetInstance.Exec("CREATE USER boss@'%'", "GRANT READ_ONLY ADMIN ON *.* TO boss@'%'")
	require.Contains(t, hazards(t, p.Pair, Options{}, Refuse), "H14 main (target): these accounts write through read_only: 'boss'@'%'")
	require.NotContains(t, hazards(t, p.Pair, Options{SourceOnly: true}, Refuse), "H14")
	require.NotContains(t, hazards(t, p.Pair, Options{Admins: []string{"boss"}}, Refuse), "H14")
}

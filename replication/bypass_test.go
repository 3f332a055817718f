package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

func TestFenceRefusesUsersThatPassIt(t *testing.T) { // H14
	p := startApp(t, servertest.MariaDB)
	p.source.Exec("CREATE USER boss@'10.%'", "GRANT READ_ONLY ADMIN ON *.* TO boss@'10.%'",
		"CREATE ROLE chief", "GRANT READ_ONLY ADMIN ON *.* TO chief", "GRANT chief TO writer@localhost")
	_, err := Fence(p.Source, FenceOptions{}).Op.Check(t.Context())
	require.ErrorContains(t, err, "'boss'@'10.%', 'writer'@'localhost'")
	require.ErrorContains(t, Fence(p.Source, FenceOptions{}).Op.Apply(t.Context()), "boss")
	require.Equal(t, "0", p.source.Value("SELECT @@GLOBAL.read_only"))
	_, err = Fence(p.Source, FenceOptions{Admins: []string{"boss", "writer"}}).Op.Check(t.Context())
	require.NoError(t, err)
}

// A session keeps the privileges that its account had when it logged in (H14).
func TestFixOfAPrivilegedAccountReachesItsOpenSessions(t *testing.T) {
	p := startApp(t, servertest.MariaDB)
	p.source.Exec("CREATE USER pool@'%' IDENTIFIED BY 'x'", "GRANT ALL ON app.* TO pool@'%'", "GRANT READ_ONLY ADMIN ON *.* TO pool@'%'")
	pooled := session(t, p.source, "pool", "x")
	const insert = "INSERT INTO app.notes (text) VALUES (UUID())"
	_, err := pooled.ExecContext(t.Context(), insert)
	require.NoError(t, err)

	const revoke, kill = "REVOKE READ_ONLY ADMIN ON *.* FROM 'pool'@'%'", "KILL USER 'pool'"
	fence := Fence(p.Source, FenceOptions{Wait: time.Second})
	err = apply(t, fence)
	require.ErrorContains(t, err, "'pool'@'%'")
	require.Contains(t, report.Hint(err), revoke+"; then "+kill)
	require.Contains(t, hazards(t, p.Pair, PreflightOptions{}, Refuse), revoke+"; then "+kill)

	p.source.Exec(revoke, kill)
	require.NoError(t, apply(t, fence))
	_, err = pooled.ExecContext(t.Context(), insert)
	require.Error(t, err, "the session is gone")
	_, err = session(t, p.source, "pool", "x").ExecContext(t.Context(), insert)
	require.ErrorContains(t, err, "read-only")
}

// A routine runs with the privileges of its definer (H14).
func TestFenceRefusesRoutinesThatLendAPrivilege(t *testing.T) {
	p := startApp(t, servertest.MariaDB)
	p.source.Exec("CREATE SCHEMA other", "CREATE ROLE chief", "GRANT READ_ONLY ADMIN, INSERT ON *.* TO chief",
		"CREATE DEFINER=root@localhost PROCEDURE app.say(t VARCHAR(50)) INSERT INTO app.notes (text) VALUES (t)",
		"CREATE DEFINER=chief FUNCTION other.`f n`() RETURNS INT MODIFIES SQL DATA DETERMINISTIC BEGIN INSERT INTO app.notes (text) VALUES ('f'); RETURN 1; END",
		"CREATE DEFINER=root@localhost PROCEDURE app.tame() SQL SECURITY INVOKER INSERT INTO app.notes (text) VALUES ('tame')",
		"CREATE DEFINER=writer@localhost PROCEDURE app.weak() INSERT INTO app.notes (text) VALUES ('weak')",
		"CREATE USER pool@'%' IDENTIFIED BY 'x'", "GRANT EXECUTE, SELECT, INSERT ON *.* TO pool@'%'")
	app := session(t, p.source, "pool", "x")

	const fixes = "ALTER PROCEDURE `app`.`say` SQL SECURITY INVOKER; ALTER FUNCTION `other`.`f n` SQL SECURITY INVOKER"
	f := Fence(p.Source, FenceOptions{Wait: time.Second})
	err := apply(t, f)
	require.ErrorContains(t, err, "procedure `app`.`say` (definer root@localhost), function `other`.`f n` (definer chief)")
	require.NotContains(t, err.Error(), "tame")
	require.NotContains(t, err.Error(), "weak")
	require.Contains(t, report.Hint(err), fixes)
	require.Equal(t, "0", p.source.Value("SELECT @@GLOBAL.read_only"))

	require.Contains(t, hazards(t, p.Pair, PreflightOptions{}, Refuse), fixes)
	require.NotContains(t, hazards(t, p.Pair, PreflightOptions{Dual: true}, Refuse), "H14")
	require.Contains(t, hazards(t, p.Pair, PreflightOptions{Dual: true}, Warn), fixes)
	admins := []string{"root", "chief"}
	require.NotContains(t, hazards(t, p.Pair, PreflightOptions{Admins: admins}, Refuse), "H14")
	require.Contains(t, hazards(t, p.Pair, PreflightOptions{Admins: admins}, Warn), "`app`.`say`")
	require.Contains(t, hazards(t, p.Pair, PreflightOptions{Admins: []string{"root"}}, Refuse), "`other`.`f n`")
	_, err = Fence(p.Source, FenceOptions{Admins: admins}).Op.Check(t.Context())
	require.NoError(t, err)

	p.source.Exec("ALTER PROCEDURE `app`.`say` SQL SECURITY INVOKER", "ALTER FUNCTION `other`.`f n` SQL SECURITY INVOKER")
	require.NoError(t, apply(t, f))
	for _, statement := range []string{"CALL app.say('after')", "DO other.`f n`()", "CALL app.tame()", "CALL app.weak()"} {
		_, err := app.ExecContext(t.Context(), statement)
		require.ErrorContains(t, err, "read-only", statement)
	}
	require.Equal(t, "0", p.source.Value("SELECT COUNT(*) FROM app.notes"))
}

func TestFenceRefusesAnApplicationUnderRoot(t *testing.T) { // H14
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		app := session(t, p.source, "root", "")
		f := Fence(p.Source, FenceOptions{Wait: time.Second})
		passes := flavor == servertest.MariaDB
		if passes {
			err := apply(t, f)
			require.ErrorContains(t, err, "(root from localhost, sleep for ")
			require.Contains(t, report.Hint(err), "cutover.admins")
			require.Equal(t, "0", p.source.Value("SELECT @@GLOBAL.read_only"))
			require.Contains(t, hazards(t, p.Pair, PreflightOptions{}, Refuse), "root from localhost")
			require.Contains(t, hazards(t, p.Pair, PreflightOptions{Dual: true}, Warn), "root from localhost")
			require.NotContains(t, hazards(t, p.Pair, PreflightOptions{Admins: []string{"root"}}, Refuse), "H14")
			_, err = Fence(p.Source, FenceOptions{Admins: []string{"root"}}).Op.Check(t.Context())
			require.NoError(t, err)
			app.Close()
			require.Eventually(t, func() bool { _, err := f.Op.Check(t.Context()); return err == nil }, 10*time.Second, 10*time.Millisecond)
		}
		require.NoError(t, apply(t, f))
		if !passes {
			_, err := app.ExecContext(t.Context(), "INSERT INTO app.notes (text) VALUES ('after')")
			require.ErrorContains(t, err, "read-only", "nobody passes super_read_only")
		}
	})
}

func TestPreflightLooksAtTheTargetsAccounts(t *testing.T) { // H14
	p := startApp(t, servertest.MariaDB)
	p.target.Exec("CREATE USER boss@'%'", "GRANT READ_ONLY ADMIN ON *.* TO boss@'%'")
	require.Contains(t, hazards(t, p.Pair, PreflightOptions{}, Refuse), "H14 main (target): these accounts write through read_only: 'boss'@'%'")
	require.NotContains(t, hazards(t, p.Pair, PreflightOptions{SourceOnly: true}, Refuse), "H14")
	require.NotContains(t, hazards(t, p.Pair, PreflightOptions{Admins: []string{"boss"}}, Refuse), "H14")
}

// H5: the account says nothing about whose a session is.
func TestOldSessionsUnderMigratesLogin(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		app := session(t, p.source, "root", "")
		other := testServer(t, p.source, Source, remote.NewLocal("source")) // another process of migrate
		own, err := other.Session(t.Context())
		require.NoError(t, err)
		defer own.Close()
		require.NoError(t, apply(t, Increment(p.Source)))

		require.Eventually(t, func() bool { return Status(t.Context(), p.Pair).Source.Clients == 1 },
			10*time.Second, 10*time.Millisecond, "sessions that end at this moment aside")
		state, err := OldSessions(p.Source, false).Op.Check(t.Context())
		require.NoError(t, err)
		require.Contains(t, state.Now, "root from localhost")
		require.ErrorContains(t, OldSessions(p.Source, false).Op.Verify(t.Context()), "root from localhost")
		require.NoError(t, app.PingContext(t.Context()))

		require.NoError(t, apply(t, OldSessions(p.Source, true)))
		require.Error(t, app.PingContext(t.Context()))
		require.NoError(t, own.PingContext(t.Context()), "migrate's own sessions stay")
	})
}

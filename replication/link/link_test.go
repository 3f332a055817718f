package link

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// startLinks starts the forward link, and the reverse one if both is set.
func startLinks(t testing.TB, p replication.Pair, both bool) {
	t.Helper()
	require.NoError(t, Start(p.Source, p.Target).Op.Apply(t.Context()))
	if both {
		require.NoError(t, Start(p.Target, p.Source).Op.Apply(t.Context()))
	}
}

func TestLinkBothWays(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		p.SourceInstance.Exec("INSERT INTO app.notes (text) VALUES ('before the link')")

		plantest.Exercise(t, Start(p.Source, p.Target))
		p.SourceInstance.Exec("INSERT INTO app.notes (text) VALUES ('forward')")
		replicationtest.Settle(t, p.Source, p.Target)
		require.Equal(t, "2", p.TargetInstance.Value("SELECT COUNT(*) FROM app.notes"))

		plantest.Exercise(t, Start(p.Target, p.Source))
		p.TargetInstance.Exec("INSERT INTO app.notes (text) VALUES ('reverse')")
		replicationtest.Settle(t, p.Target, p.Source)
		require.Equal(t, "1", p.SourceInstance.Value("SELECT COUNT(*) FROM app.notes WHERE text = 'reverse'"))

		p.SourceInstance.Exec("INSERT INTO app.notes (text) VALUES ('and forward again')")
		replicationtest.Settle(t, p.Source, p.Target)
		replicationtest.Settle(t, p.Target, p.Source)
		require.Equal(t, "4", p.TargetInstance.Value("SELECT COUNT(*) FROM app.notes"))
		require.Equal(t, "4", p.SourceInstance.Value("SELECT COUNT(*) FROM app.notes"))
	})
}

func TestLinkSurvivesRestartsOfBothServers(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		startLinks(t, p.Pair, true)
		p.SourceInstance.Kill()
		p.TargetInstance.Exec("INSERT INTO app.notes (id, text) VALUES (2, 'while the source was down')")
		p.SourceInstance.Restart()
		p.TargetInstance.Restart()
		p.SourceInstance.Exec("INSERT INTO app.notes (id, text) VALUES (1, 'after the restarts')")
		replicationtest.Settle(t, p.Source, p.Target)
		replicationtest.Settle(t, p.Target, p.Source)
		require.Equal(t, "2", p.TargetInstance.Value("SELECT COUNT(*) FROM app.notes"))
		require.Equal(t, "2", p.SourceInstance.Value("SELECT COUNT(*) FROM app.notes"))
	})
}

// TestLinkKeepsItsSettingsOverARestart restarts the replica. Its link goes on by itself, and
// must take what InnoDB's strict mode refuses. The end of the link leaves nothing behind.
func TestLinkKeepsItsSettingsOverARestart(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		to := replicationtest.Server(t, p.TargetInstance, replication.Target, remote.NewLocal("db1-new"))
		step := Start(p.Source, to)
		before, err := step.Op.Check(t.Context())
		require.NoError(t, err)
		require.NoError(t, step.Op.Apply(t.Context()))
		p.TargetInstance.Restart()
		p.SourceInstance.Exec("SET SESSION innodb_strict_mode = 0", "CREATE TABLE app.lenient (id INT PRIMARY KEY) ROW_FORMAT=FIXED")
		replicationtest.Settle(t, p.Source, to)
		state, err := step.Op.Check(t.Context())
		require.NoError(t, err)
		require.True(t, state.Done, "the link has all of its settings: %s", state.Now)

		require.NoError(t, step.Op.Undo(t.Context(), before.Before))
		p.TargetInstance.Restart()
		after, err := step.Op.Check(t.Context())
		require.NoError(t, err)
		require.JSONEq(t, string(before.Before), string(after.Before))
	})
}

func TestLinkRefusesErrantTransactions(t *testing.T) { // H12
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		startLinks(t, p.Pair, false)
		p.TargetInstance.Exec("INSERT INTO app.notes (text) VALUES ('errant')")
		err := Start(p.Target, p.Source).Op.Apply(t.Context())
		require.ErrorContains(t, err, "lacks")
		require.NotEmpty(t, report.Hint(err))
		require.Equal(t, "0", p.TargetInstance.Value("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'migrate%'"), "refused before anything was made")
	})
}

func TestLinkNamesTheApplierError(t *testing.T) { // H6
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		startLinks(t, p.Pair, false)
		p.TargetInstance.Exec("SET SESSION sql_log_bin = 0", "INSERT INTO app.notes (id, text) VALUES (1, 'in the way')")
		p.SourceInstance.Exec("INSERT INTO app.notes (id, text) VALUES (1, 'one')")
		err := linkOp{p.Source, p.Target}.catchUp(t.Context())
		require.ErrorContains(t, err, "1062")
	})
}

func TestLinkKeepsNoSecret(t *testing.T) { // I7
	p := replicationtest.StartApp(t, servertest.MySQL)
	p.SourceInstance.Exec("SET GLOBAL general_log = 1")
	p.TargetInstance.Exec("SET GLOBAL general_log = 1")
	step := Start(p.Source, p.Target)
	require.NoError(t, step.Op.Apply(t.Context()))
	state, err := step.Op.Check(t.Context())
	require.NoError(t, err)
	text, err := json.Marshal(state)
	require.NoError(t, err)
	password := p.TargetInstance.Value("SELECT User_password FROM mysql.slave_master_info")
	require.Len(t, password, 30)
	require.NotContains(t, string(text), password)
	for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
		logged := replicationtest.ReadFile(t, s.Value("SELECT CONCAT(@@datadir, SUBSTRING_INDEX(@@general_log_file, '/', -1))"))
		require.NotEmpty(t, logged)
		require.False(t, strings.Contains(logged, password), "the general log holds the password")
	}
	require.Equal(t, "0", p.TargetInstance.Value("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'migrate%'"), "the user is on the source only")
}

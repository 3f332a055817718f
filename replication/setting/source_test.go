package setting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestConfigureSourceExercise(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor, servertest.Set("sync_binlog", "0"), servertest.Set("binlog_expire_logs_seconds", "3600"))
		plantest.Exercise(t, ConfigureSource(replication.Pair{Name: "main", Source: replicationtest.Server(t, s, replication.Source, nil)}))
		require.Equal(t, "1 1", s.Value("SELECT CONCAT(@@GLOBAL.sync_binlog, ' ', @@GLOBAL.innodb_flush_log_at_trx_commit)"))
		require.Equal(t, "1209600", s.Value("SELECT @@GLOBAL.binlog_expire_logs_seconds"))
	})
}

// TestConfigureSourceSurvivesARestart: a source that restarts during a move must not lose
// what the target has (H19, H20).
func TestConfigureSourceSurvivesARestart(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor, servertest.Set("sync_binlog", "0"), servertest.Set("binlog_expire_logs_seconds", "3600"))
		source, _ := onHost(t, replication.Source, s)
		values := func() string {
			return s.Value("SELECT CONCAT(@@GLOBAL.sync_binlog, ' ', @@GLOBAL.innodb_flush_log_at_trx_commit, ' ', @@GLOBAL.binlog_expire_logs_seconds)")
		}
		image, was := `{"sync_binlog":"0","innodb_flush_log_at_trx_commit":"2","binlog_expire_logs_seconds":"3600"}`, "0 2 3600"
		if flavor == servertest.MySQL {
			s.Exec("SET PERSIST sync_binlog = 7")
			image, was = `{"sync_binlog":"7","innodb_flush_log_at_trx_commit":"2","binlog_expire_logs_seconds":"3600","kept":{"sync_binlog":"7"}}`, "7 2 3600"
		}
		step := ConfigureSource(replication.Pair{Name: "main", Source: source})
		state, err := step.Op.Check(t.Context())
		require.NoError(t, err)
		require.JSONEq(t, image, string(state.Before))
		plantest.Exercise(t, step)
		s.Kill()
		s.Restart()
		require.Equal(t, "1 1 1209600", values())
		again, err := step.Op.Check(t.Context())
		require.NoError(t, err)
		require.True(t, again.Done)

		require.NoError(t, step.Op.Undo(t.Context(), state.Before))
		require.Equal(t, was, values())
		s.Kill()
		s.Restart()
		require.Equal(t, was, values(), "what was kept before is kept again")
	})
}

func TestConfigureSourceIsNotDoneWhileARestartWouldUndoIt(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor, servertest.Set("sync_binlog", "0"))
		source, _ := onHost(t, replication.Source, s)
		s.Exec("SET GLOBAL sync_binlog = 1", "SET GLOBAL innodb_flush_log_at_trx_commit = 1", "SET GLOBAL binlog_expire_logs_seconds = 1209600")
		step := ConfigureSource(replication.Pair{Name: "main", Source: source})
		state, err := step.Op.Check(t.Context())
		require.NoError(t, err)
		require.False(t, state.Done)
		require.Contains(t, state.Now, "until a restart")
		require.ErrorContains(t, step.Op.Verify(t.Context()), "sync_binlog is 1 until a restart only")
		require.NoError(t, step.Op.Apply(t.Context()))
		require.NoError(t, step.Op.Undo(t.Context(), []byte(`{"sync_binlog":"1","binlog_expire_logs_seconds":"1209600"}`)), "an older before-image")
		s.Restart()
		require.Equal(t, "0", s.Value("SELECT @@GLOBAL.sync_binlog"))
	})
}

package setting

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// instanceHost is this machine as the host of a test server, whose service
// manager is the test.
type instanceHost struct {
	remote.Host
	instance *servertest.Instance
	restarts int
}

func (h *instanceHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	if strings.Contains(script, "systemctl restart") {
		h.restarts++
		h.instance.Restart()
		return nil
	}
	return h.Host.Run(ctx, script, stdin, stdout)
}

// onHost gives a test server a Host that can restart it.
func onHost(t *testing.T, side replication.Side, s *servertest.Instance) (*replication.Server, *instanceHost) {
	host := &instanceHost{Host: remote.NewLocal(string(side)), instance: s}
	out := replication.NewServer(replication.ServerConfig{
		Name: "main (" + string(side) + ")", Side: side, Host: host, Network: "unix", Address: s.Socket, User: "root",
		Endpoint: func(context.Context) (replication.Endpoint, error) {
			return replication.Endpoint{Host: "127.0.0.1", Port: s.Port}, nil
		},
	})
	t.Cleanup(func() { _ = out.Close() })
	return out, host
}

func TestConfigureSourceExercise(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor, servertest.Set("sync_binlog", "0"), servertest.Set("binlog_expire_logs_seconds", "3600"))
		plantest.Exercise(t, ConfigureSource(replication.Pair{Name: "main", Source: replicationtest.Server(t, s, replication.Source, nil)}))
		require.Equal(t, "1", s.Value("SELECT @@GLOBAL.sync_binlog"))
		require.Equal(t, "1209600", s.Value("SELECT @@GLOBAL.binlog_expire_logs_seconds"))
	})
}

// H19, H20: a source that restarts in the middle of a move must not lose what the target has.
func TestConfigureSourceSurvivesARestart(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor, servertest.Set("sync_binlog", "0"), servertest.Set("binlog_expire_logs_seconds", "3600"))
		source, _ := onHost(t, replication.Source, s)
		values := func() string {
			return s.Value("SELECT CONCAT(@@GLOBAL.sync_binlog, ' ', @@GLOBAL.binlog_expire_logs_seconds)")
		}
		image, was := `{"sync_binlog":"0","binlog_expire_logs_seconds":"3600"}`, "0 3600"
		if flavor == servertest.MySQL {
			s.Exec("SET PERSIST sync_binlog = 7")
			image, was = `{"sync_binlog":"7","binlog_expire_logs_seconds":"3600","kept":{"sync_binlog":"7"}}`, "7 3600"
		}
		step := ConfigureSource(replication.Pair{Name: "main", Source: source})
		state, err := step.Op.Check(t.Context())
		require.NoError(t, err)
		require.JSONEq(t, image, string(state.Before))
		plantest.Exercise(t, step)
		s.Kill()
		s.Restart()
		require.Equal(t, "1 1209600", values())
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
		s.Exec("SET GLOBAL sync_binlog = 1", "SET GLOBAL binlog_expire_logs_seconds = 1209600")
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

func TestConfigureTargetExercise(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		source := servertest.Start(t, flavor, servertest.Set("server_id", "7"), servertest.Set("sql_mode", "NO_ENGINE_SUBSTITUTION"),
			servertest.Set("group_concat_max_len", "5000"), servertest.Set("default_time_zone", "+02:00"))
		options := []servertest.Option{servertest.Set("server_id", "7"), servertest.Set("sync_binlog", "0")}
		if flavor == servertest.MariaDB {
			options = append(options, servertest.Unset("log_bin"), servertest.Set("gtid_domain_id", "0"),
				servertest.Set("gtid_strict_mode", "0"), servertest.Unset("log_slave_updates"), servertest.Unset("binlog_format"))
		} else {
			options = append(options, servertest.Set("gtid_mode", "OFF"), servertest.Set("enforce_gtid_consistency", "OFF"))
		}
		target := servertest.Start(t, flavor, options...)
		s, host := onHost(t, replication.Target, target)
		plantest.Exercise(t, ConfigureTarget(replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil), Target: s}))
		require.Positive(t, host.restarts)
		for query, want := range map[string]string{
			"SELECT @@GLOBAL.server_id": "1007", "SELECT @@GLOBAL.sql_mode": "NO_ENGINE_SUBSTITUTION",
			"SELECT @@GLOBAL.group_concat_max_len >= 5000": "1", "SELECT @@GLOBAL.time_zone": "+02:00",
			"SELECT @@GLOBAL.log_bin": "1", "SELECT @@GLOBAL.read_only": "1", "SELECT @@GLOBAL.sync_binlog": "1",
		} {
			require.Equal(t, want, target.Value(query), query)
		}
		target.Restart()
		require.Equal(t, "1", target.Value("SELECT @@GLOBAL.read_only"), "still fenced after a restart")
	})
}

func TestConfigureTargetWithoutHostNamesWhatNeedsARestart(t *testing.T) {
	source := servertest.Start(t, servertest.MariaDB)
	target := servertest.Start(t, servertest.MariaDB, servertest.Unset("log_bin"))
	step := ConfigureTarget(replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil), Target: replicationtest.Server(t, target, replication.Target, nil)})
	err := step.Op.Apply(t.Context())
	require.ErrorContains(t, err, "log_bin = ON")
	require.Equal(t, "1", target.Value("SELECT @@GLOBAL.sync_binlog"), "what is dynamic is set")
}

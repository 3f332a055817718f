package setting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

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

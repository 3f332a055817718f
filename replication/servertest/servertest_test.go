package servertest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestKilledServerKeepsWhatWasAcknowledged(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor)
		s.Exec("CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")

		s.Kill()
		require.Error(t, s.Root().PingContext(t.Context()), "a killed server must not answer")
		s.Restart()

		require.Equal(t, "1", s.Value("SELECT COUNT(*) FROM d.t"))
	})
}

func TestInstancesDiffer(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		a, b := servertest.Start(t, flavor), servertest.Start(t, flavor)
		for _, variable := range identity(flavor) {
			require.NotEqual(t, a.Value("SELECT @@global."+variable), b.Value("SELECT @@global."+variable), variable)
		}
		require.Equal(t, "1", a.Value("SELECT @@global.log_bin"))
	})
}

func identity(flavor servertest.Flavor) []string {
	if flavor == servertest.MySQL {
		return []string{"server_id", "server_uuid", "port", "datadir"}
	}
	return []string{"server_id", "gtid_domain_id", "port", "datadir"}
}

func TestSettingsAndDropInFilesAreRead(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor, servertest.Set("sync_binlog", "7"), servertest.Unset("max_connections"))
		require.Equal(t, "7", s.Value("SELECT @@global.sync_binlog"))
		require.Equal(t, "151", s.Value("SELECT @@global.max_connections"))

		file := filepath.Join(s.ConfDir, "zz.cnf")
		require.NoError(t, os.WriteFile(file, []byte("[mysqld]\nread_only=1\n"), 0o644))
		s.Restart()
		require.Equal(t, "1", s.Value("SELECT @@global.read_only"))
	})
}

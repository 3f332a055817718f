package physical

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/verify"
)

// testService is the Service of a test server.
type testService struct{ *servertest.Instance }

func (testService) Unit(context.Context, *replication.Server) (string, error) { return "test", nil }

func (s testService) Stop(context.Context, string) error {
	s.Instance.Stop()
	return nil
}

func (s testService) Start(context.Context, string) error {
	if s.Root().Ping() != nil {
		s.Restart()
	}
	return nil
}

// startPair starts a pair whose files can be used. Every second an event of the source
// records on which server it runs.
func startPair(t *testing.T, flavor servertest.Flavor) (replication.Pair, *servertest.Instance, *servertest.Instance, Options) {
	t.Helper()
	if _, err := exec.LookPath("mariadb-backup"); err != nil && flavor == servertest.MariaDB {
		if os.Getenv("CI") == "true" {
			t.Fatal("mariadb-backup is not installed (Debian package mariadb-backup)")
		}
		t.Skip("mariadb-backup is not installed (Debian package mariadb-backup)")
	}
	source, target := servertest.StartTwo(t, flavor, servertest.Set("event_scheduler", "ON"))
	pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, remote.NewLocal("source")), Target: replicationtest.Server(t, target, replication.Target, remote.NewLocal("target"))}
	replicationtest.MakeLoadSchema(source)
	source.Exec("CREATE TABLE load1.ran (id INT AUTO_INCREMENT PRIMARY KEY, server INT)",
		"CREATE EVENT load1.tells ON SCHEDULE EVERY 1 SECOND DO INSERT INTO load1.ran (server) VALUES (@@server_id)",
		"CREATE USER app@'%' IDENTIFIED BY 'app'", "GRANT SELECT ON load1.* TO app@'%'")
	target.Exec("SET sql_log_bin = 0", "CREATE USER only_here@'%' IDENTIFIED BY 'x'")
	if flavor == servertest.MySQL {
		target.Exec("SET GLOBAL super_read_only = 1")
	} else {
		target.Exec("SET GLOBAL read_only = 1")
	}
	return pair, source, target, Options{Method: MethodFiles, Service: testService{target}, Dir: t.TempDir()}
}

// requireSeeded requires the target to be a fenced copy without running events, from which
// a link can start.
func requireSeeded(t *testing.T, source, target *servertest.Instance) {
	t.Helper()
	require.Equal(t, "1", target.Value("SELECT @@GLOBAL.read_only"))
	require.Equal(t, "ON", target.Value("SELECT @@GLOBAL.event_scheduler"), "as before")
	require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.EVENTS WHERE STATUS = 'ENABLED'"))
	require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM information_schema.EVENTS WHERE STATUS LIKE '%SIDE_DISABLED'"))
	require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM load1.ran WHERE server = @@GLOBAL.server_id"), "no event ran on the passive side")
	require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM mysql.user WHERE User = 'app'"))
	require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'migrate%'"))
	for _, s := range []*servertest.Instance{source, target} {
		require.Equal(t, "0", s.Value("SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'clone'"))
		require.Equal(t, "0", s.Value("SELECT COUNT(*) FROM mysql.user WHERE User = 'migrate_clone'"))
	}
	require.NotEqual(t, source.Value("SELECT @@GLOBAL.server_id"), target.Value("SELECT @@GLOBAL.server_id"))
	if source.Flavor == servertest.MySQL {
		require.NotEqual(t, source.Value("SELECT @@GLOBAL.server_uuid"), target.Value("SELECT @@GLOBAL.server_uuid"))
		require.Equal(t, "1", target.Value("SELECT @@GLOBAL.super_read_only"))
	} else {
		require.Empty(t, target.Value("SELECT @@GLOBAL.gtid_binlog_pos"), "nothing of it is in the target's binlog")
	}
	entries, err := os.ReadDir(target.ConfDir)
	require.NoError(t, err)
	require.Empty(t, entries, "no setting of the seed is kept")
}

// requireConverges links the pair and requires both sides to become equal.
func requireConverges(t *testing.T, pair replication.Pair, source, target *servertest.Instance, stop func() int64) {
	t.Helper()
	replicationtest.Replicate(t, source.Flavor, source, target)
	source.Exec("ALTER EVENT load1.tells DISABLE") // else it never stops
	writes := stop()
	require.Positive(t, writes)
	replicationtest.Settle(t, pair.Source, pair.Target)
	require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"), "%d writes", writes)
	report, err := verify.Run(t.Context(), pair, verify.Options{})
	require.NoError(t, err)
	for _, d := range report.Differences { // the test's own login for the link is on the source only
		require.Contains(t, d.String(), "migrate_test")
	}
}

func TestPhysicalSeedExercise(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target, options := startPair(t, flavor)
		stop := replicationtest.Load(t, source)
		t.Cleanup(func() { stop() })
		step := Step(pair, seed.Step(pair), options)
		state, err := step.Op.Check(t.Context())
		require.NoError(t, err)
		require.Contains(t, state.Want, "by its files: as migration.yaml has it; about ")
		require.Contains(t, hazardText(state.Hazards), "all accounts, root included")
		require.Contains(t, hazardText(state.Hazards), "only_here")

		plantest.Exercise(t, step) // which interrupts and undoes it on the way
		requireSeeded(t, source, target)
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM mysql.user WHERE User = 'only_here'"))
		require.DirExists(t, filepath.Join(target.Dir, "data"+besideSuffix, "old"), "kept for undo")
		require.NoDirExists(t, filepath.Join(target.Dir, "data"+besideSuffix, "old", replication.OwnSchema), "with nothing of the seed's in it")
		requireConverges(t, pair, source, target, stop)

		require.ErrorContains(t, step.Op.Undo(t.Context(), json.RawMessage(`{}`)), "still has a link")
		if flavor == servertest.MariaDB {
			target.Exec("STOP SLAVE", "RESET SLAVE ALL")
		} else {
			target.Exec("STOP REPLICA", "RESET REPLICA ALL")
		}
		require.NoError(t, step.Op.Undo(t.Context(), json.RawMessage(`{}`)))
		requireUndone(t, target, options)
	})
}

// requireUndone requires the target to be as it was, with nothing left behind.
func requireUndone(t *testing.T, target *servertest.Instance, options Options) {
	t.Helper()
	require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM mysql.user WHERE User = 'only_here'"), "the old data is back")
	require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ('load1', 'migrate')"))
	require.Equal(t, "ON", target.Value("SELECT @@GLOBAL.event_scheduler"))
	require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'clone'"))
	for _, dir := range []string{target.Dir, options.Dir, target.ConfDir} {
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range left {
			require.NotRegexp(t, "^data.+|^seed-|zz-migrate", e.Name())
		}
	}
}

func hazardText(hazards []plan.Hazard) string {
	var b strings.Builder
	for _, h := range hazards {
		b.WriteString(h.Text + "\n")
	}
	return b.String()
}

func TestBackupPosition(t *testing.T) {
	for _, tt := range []struct{ text, want, fails string }{
		{"binlog.000001\t1070\t5-5-5\n", "5-5-5", ""},
		{"binlog.000001\t1070\t0-1-5,1-1-7\n", "0-1-5,1-1-7", ""},
		{"binlog.000001\t329\t\n", "", ""},
		{"", "", "no position"},
		{"binlog.000001\t329\tnonsense", "", "position"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			got, err := backupPosition(dialect.MariaDB, tt.text)
			if tt.fails != "" {
				require.ErrorContains(t, err, tt.fails)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestEstimateOfBothMethods(t *testing.T) {
	for _, tt := range []struct {
		flavor      dialect.Flavor
		bytes, rate int64
		files       bool
	}{
		{dialect.MariaDB, 10 << 20, 0, false}, // a seed by files stops and starts a server
		{dialect.MySQL, 10 << 20, 0, false},
		{dialect.MariaDB, 877 << 20, 0, false}, // as measured
		{dialect.MySQL, 860 << 20, 0, false},
		{dialect.MariaDB, 100 << 30, 0, true},
		{dialect.MySQL, 100 << 30, 0, true},
		{dialect.MariaDB, 100 << 30, 1 << 20, false}, // the network decides, and both methods send as much
	} {
		t.Run(fmt.Sprintf("%s %d bytes %d a second", tt.flavor, tt.bytes, tt.rate), func(t *testing.T) {
			c := choice{bytes: tt.bytes}
			c.estimate(tt.flavor, tt.rate)
			require.Equal(t, tt.files, c.files < c.rows, "%s by files, %s by rows", c.files, c.rows)
		})
	}
}

package capture

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// asPostgres runs a program as the user postgres: PostgreSQL refuses root.
func asPostgres(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("runuser", append([]string{"-u", "postgres", "--"}, args...)...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestCapturePostgreSQL(t *testing.T) {
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	require.NoError(t, err)
	account, err := user.Lookup("postgres")
	remotetest.Need(t, len(bins) > 0 && err == nil && os.Geteuid() == 0, "the Debian package postgresql, and root")
	bin := bins[len(bins)-1]
	dir, err := os.MkdirTemp("", "postgres") // short, for the socket's path
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	uid, err := strconv.Atoi(account.Uid)
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, uid, -1))
	data, port := filepath.Join(dir, "data"), remotetest.FreePort(t)
	asPostgres(t, bin+"/initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D", data)
	asPostgres(t, bin+"/pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "log"), "-o",
		"-c listen_addresses= -c fsync=off -c unix_socket_directories="+dir+" -p "+strconv.Itoa(port), "start")
	t.Cleanup(func() { asPostgres(t, bin+"/pg_ctl", "-D", data, "-m", "immediate", "stop") })
	sql := func(statement string) {
		asPostgres(t, "psql", "-X", "-q", "-h", dir, "-p", strconv.Itoa(port), "-d", "postgres", "-c", statement)
	}
	sql("CREATE ROLE readers")
	sql("CREATE ROLE app LOGIN PASSWORD 'hunter2-and-more' IN ROLE readers")
	sql("CREATE DATABASE shop OWNER app")
	sql("ALTER SYSTEM SET primary_conninfo = 'host=10.0.0.4 user=repl password=hunter2-and-more'")
	sql("ALTER SYSTEM SET work_mem = '8MB'")
	sql("SELECT pg_reload_conf()")

	h := captureOne(t, Target{Host: remote.NewLocal("db1"), onlySections: append([]string{"postgresql"}, basicSections...)})
	pg := find(h.PostgreSQL, func(p inventory.PostgreSQL) bool { return p.Port == port })
	require.NotNil(t, pg, "%v", h.Missing)
	require.NotEmpty(t, pg.Version)
	require.False(t, pg.Standby)
	shop := find(pg.Databases, func(d inventory.PGDatabase) bool { return d.Name == "shop" })
	require.Equal(t, &inventory.PGDatabase{Name: "shop", Owner: "app", Encoding: "UTF8", Size: inventory.SpaceUnit}, shop)
	require.Contains(t, pg.Roles, inventory.PGRole{Name: "app", Rights: []string{"login"}, Groups: []string{"readers"}})
	require.Contains(t, pg.Settings, inventory.Setting{Name: "work_mem", Value: "8192", Source: data + "/postgresql.auto.conf"})
	setting := find(pg.Settings, func(s inventory.Setting) bool { return s.Name == "primary_conninfo" })
	require.Equal(t, "host=10.0.0.4 user=repl password="+testOptions().Redactor.Token("hunter2-and-more"), setting.Value)
	require.NotNil(t, find(h.Secrets, func(s inventory.Secret) bool { return s.Key == "app" && s.Path == "postgresql" }))
}

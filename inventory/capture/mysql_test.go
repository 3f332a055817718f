package capture

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/show"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// mariaDB is a real server that listens on a socket of its own.
type mariaDB struct{ socket string }

func startMariaDB(t *testing.T) *mariaDB {
	for _, program := range []string{"mariadbd", "mariadb-install-db", "mariadb"} {
		_, err := exec.LookPath(program)
		remotetest.Need(t, err == nil, "the Debian package mariadb-server ("+program+")")
	}
	remotetest.Need(t, os.Geteuid() == 0, "root, to log in by unix_socket")
	dir, err := os.MkdirTemp("", "mariadb") // short, for the socket's path
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	out, err := exec.Command("mariadb-install-db", "--no-defaults", "--user=root", "--datadir="+data, "--skip-test-db",
		"--auth-root-authentication-method=socket").CombinedOutput()
	require.NoError(t, err, "%s", out)
	db := &mariaDB{filepath.Join(dir, "sock")}
	server := exec.Command("mariadbd", "--no-defaults", "--user=root", "--datadir="+data, "--socket="+db.socket,
		"--skip-networking", "--innodb-buffer-pool-size=16M", "--pid-file="+filepath.Join(dir, "pid"))
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	require.Eventually(t, func() bool {
		return exec.Command("mariadb", "--no-defaults", "--socket="+db.socket, "-e", "SELECT 1").Run() == nil
	}, 60*time.Second, 100*time.Millisecond, "mariadbd does not answer")
	return db
}

func (db *mariaDB) exec(t *testing.T, statements ...string) string {
	var all string
	for _, s := range statements {
		out, err := exec.Command("mariadb", "--no-defaults", "--socket="+db.socket, "-N", "-e", s).CombinedOutput()
		require.NoError(t, err, "%s", out)
		all += string(out)
	}
	return all
}

var mysqlSections = append([]string{
	"mysql-variables", "mysql-settings", "mysql-schemas", "mysql-users", "mysql-grants", "mysql-replication", "mysql-replicas", "mysql-space",
	"processes", "process-words", "process-status",
}, basicSections...)

// I7: no secret of a database, its rows, files or command lines reaches the inventory.
func TestCaptureKeepsNoSecret(t *testing.T) {
	db := startMariaDB(t)
	db.exec(t, "CREATE DATABASE `it's``odd\ttab`", "CREATE DATABASE blog", "CREATE TABLE blog.posts (id INT PRIMARY KEY, t TEXT)",
		"INSERT INTO blog.posts VALUES (1, 'canary-row')",
		"CREATE USER 'app'@'10.0.0.%' IDENTIFIED BY 'canary-password'", "CREATE USER ''@'localhost' IDENTIFIED BY 'canary-password'")
	hash := strings.TrimSpace(db.exec(t, "SELECT PASSWORD('canary-password')"))
	require.True(t, strings.HasPrefix(hash, "*"))

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "env"), []byte("DB_PASSWORD=canary-env\n"), 0o600))
	sleeper := exec.Command("sh", "-c", "sleep 300 # --password=canary-argv")
	require.NoError(t, sleeper.Start())
	defer func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() }()

	h := captureOne(t, Target{Host: remote.NewLocal("db1"), Files: []string{dir}, MySQL: &MySQLTarget{Socket: db.socket}, onlySections: mysqlSections})
	require.NotNil(t, h.MySQL, "%v", h.Missing)
	require.Contains(t, h.MySQL.Version, "MariaDB")
	require.Equal(t, []string{"blog", "it's`odd\ttab"}, []string{h.MySQL.Schemas[0].Name, h.MySQL.Schemas[1].Name})
	require.Equal(t, []string{"InnoDB"}, h.MySQL.Schemas[0].Engines)
	require.Contains(t, h.MySQL.Grants, inventory.Grant{Account: "`app`@`10.0.0.%`", Statement: "GRANT USAGE ON *.* TO `app`@`10.0.0.%`"})
	require.NotNil(t, find(h.MySQL.Settings, func(s inventory.Setting) bool { return s.Name == "skip_networking" && s.Source == "COMMAND-LINE" }), "%v", h.MySQL.Settings)
	require.Empty(t, h.MySQL.Replicas)
	require.Equal(t, 1, h.MySQL.Schemas[0].Tables)
	require.Positive(t, h.MySQL.Schemas[0].Size)
	require.Contains(t, h.MySQL.Users, inventory.User{User: "app", Host: "10.0.0.%"})
	require.Contains(t, h.MySQL.Users, inventory.User{User: "", Host: "localhost"})
	require.Equal(t, "0", h.MySQL.Variables["gtid_domain_id"])
	require.Contains(t, h.MySQL.Variables, "sync_binlog")
	require.Positive(t, h.MySQL.FreeSpace)

	state := t.TempDir()
	require.NoError(t, inventory.Save(state, h))
	stored, err := os.ReadFile(filepath.Join(state, "db1.json"))
	require.NoError(t, err)
	var shown bytes.Buffer
	require.NoError(t, show.Overview(&shown, []*inventory.Host{h}))
	require.NoError(t, show.Host(&shown, h))
	for _, text := range []string{string(stored), shown.String()} {
		require.Contains(t, text, "db1")
		require.NotContains(t, text, "canary")
		require.NotContains(t, text, hash[1:])
	}
	var again inventory.Host
	require.NoError(t, json.Unmarshal(stored, &again))
	require.Equal(t, *h, again)

	denied := captureOne(t, Target{Host: remote.NewLocal("db1"), MySQL: &MySQLTarget{Socket: db.socket, User: "app"}, onlySections: mysqlSections})
	require.Equal(t, inventory.Denied, missingReasons(denied)["mysql-variables"])
	require.Nil(t, denied.MySQL)
}

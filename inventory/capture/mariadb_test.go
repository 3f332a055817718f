package capture

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote/remotetest"
)

// mariaDB is a real server on a socket of its own.
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

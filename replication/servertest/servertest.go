// Package servertest starts real MariaDB and MySQL servers for tests: plain
// processes on free loopback ports, each with a data directory of its own,
// binary log and GTID on, and ids that differ. No mocks: what a test sees is
// what the server does.
//
// MariaDB is the mariadbd in PATH (Debian package mariadb-server). MySQL is
// Debian sid's mysql-server-core in a tree that is made once by debootstrap
// and kept in /var/cache/migrate-lab/mysql-sid; it runs under the tree's own
// dynamic loader, so that it needs neither chroot nor mount and sees the same
// files as the test.
//
// A test whose server cannot run is skipped with the reason; with CI=true in
// the environment it fails instead.
package servertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/remote/remotetest"
)

// Flavor is the kind of server.
type Flavor string

// The flavors that a test can start.
const (
	MariaDB Flavor = "mariadb"
	MySQL   Flavor = "mysql"
)

// Flavors lists every flavor, for table tests.
func Flavors() []Flavor { return []Flavor{MariaDB, MySQL} }

// Each runs test once per flavor as a subtest, both flavors side by side: their
// servers mostly wait. Nothing of the test that calls it runs after it.
func Each(t *testing.T, test func(t *testing.T, flavor Flavor)) {
	t.Helper()
	for _, flavor := range Flavors() {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			test(t, flavor)
		})
	}
}

// startTimeout bounds the start of a server; a shared two-core machine is slow.
const startTimeout = 90 * time.Second

// lastID is the last server id given out in this process.
var lastID atomic.Uint32

// Instance is one server. It ends with the test that started it.
type Instance struct {
	Flavor Flavor
	Dir    string // everything of the instance is below it
	Socket string // unix socket; root logs in there without a password
	Port   int    // TCP port on 127.0.0.1
	// ConfDir is the folder of drop-in files (*.cnf) that the server reads at
	// its start, like /etc/mysql/mariadb.conf.d of a Debian host.
	ConfDir  string
	ServerID uint32
	ErrorLog string

	t      testing.TB
	run    *process
	client *sql.DB
}

// process is one run of the server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the process has been waited for
}

// Start starts a server and waits until it answers. The server is killed and
// its files are removed when the test ends; the error log is printed when the
// test has failed.
func Start(t testing.TB, flavor Flavor, options ...Option) *Instance {
	t.Helper()
	s := launch(t, flavor, options...)
	s.waitReady(s.run)
	return s
}

// StartTwo starts two servers that start side by side.
func StartTwo(t testing.TB, flavor Flavor, options ...Option) (first, second *Instance) {
	t.Helper()
	first, second = launch(t, flavor, options...), launch(t, flavor, options...)
	first.waitReady(first.run)
	second.waitReady(second.run)
	return first, second
}

// launch starts a server; it does not answer yet.
func launch(t testing.TB, flavor Flavor, options ...Option) *Instance {
	t.Helper()
	program, err := find(t.Context(), flavor)
	if err != nil {
		unavailable(t, "cannot run %s: %v", flavor, err)
	}
	template, err := program.template(t.Context())
	if err != nil {
		unavailable(t, "cannot initialise %s: %v", flavor, err)
	}
	// Not t.TempDir(): a unix socket's path holds 107 bytes, and a test's name may be long.
	dir, err := os.MkdirTemp("", "server-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	id := lastID.Add(1)
	s := &Instance{
		Flavor: flavor, Dir: dir, Socket: filepath.Join(dir, "sock"), ServerID: id,
		ConfDir: filepath.Join(dir, "conf.d"), ErrorLog: filepath.Join(dir, "error.log"), t: t,
	}
	t.Cleanup(s.close)
	if out, err := exec.Command("cp", "-a", "--reflink=auto", template, s.dataDir()).CombinedOutput(); err != nil {
		t.Fatalf("copy template: %v: %s", err, out)
	}
	if err := os.Mkdir(s.ConfDir, 0o755); err != nil {
		t.Fatal(err)
	}
	settings := defaults(flavor, id)
	for _, option := range options {
		option(settings)
	}
	s.Port = remotetest.FreePort(t)
	if err := s.writeConfig(program, settings); err != nil {
		t.Fatal(err)
	}
	s.start(program)
	return s
}

func (s *Instance) dataDir() string { return filepath.Join(s.Dir, "data") }

// start runs the server.
func (s *Instance) start(program program) {
	s.t.Helper()
	cmd := program.command("--defaults-file=" + filepath.Join(s.Dir, "my.cnf"))
	cmd.Dir = s.Dir
	cmd.SysProcAttr = procAttr()
	log, err := os.OpenFile(s.ErrorLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start %s: %v", s.Flavor, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait()
	}()
	s.run = p
}

func (s *Instance) waitReady(p *process) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.Root().PingContext(ctx)
		if err == nil {
			return
		}
		select {
		case <-p.done:
			s.t.Fatalf("%s ended while it started: %v\n%s", s.Flavor, p.cmd.ProcessState, s.logTail())
		case <-ctx.Done():
			s.t.Fatalf("%s does not answer: %v\n%s", s.Flavor, err, s.logTail())
		case <-tick.C:
		}
	}
}

// Root returns a pool of root's sessions over the unix socket, none of which
// stays open while it is not used: it would be a client. It survives Kill and
// Restart, and is closed when the test ends.
func (s *Instance) Root() *sql.DB {
	if s.client == nil {
		s.client = s.Open("root", "", "unix")
		s.client.SetMaxIdleConns(0)
	}
	return s.client
}

// Open returns a new pool of sessions of user, over "unix" or "tcp". The
// caller closes it.
func (s *Instance) Open(user, password, network string) *sql.DB {
	c, err := mysql.NewConnector(s.Config(user, password, network))
	if err != nil {
		s.t.Fatal(err) // only possible with a wrong literal in Config
	}
	return sql.OpenDB(c)
}

// Config returns the driver's configuration for user over "unix" or "tcp".
func (s *Instance) Config(user, password, network string) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = user, password, network, s.Addr()
	if network == "unix" {
		c.Addr = s.Socket
	}
	c.Logger = &mysql.NopLogger{} // a pool that sees its server die is the point of many tests
	return c
}

// dsn returns root's data source name over the unix socket.
func (s *Instance) dsn() string { return s.Config("root", "", "unix").FormatDSN() }

// Addr returns the server's TCP address, host:port.
func (s *Instance) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// Exec runs statements as root, one after another, in one session of their own:
// what they set in it ends with it.
func (s *Instance) Exec(statements ...string) {
	s.t.Helper()
	conn, err := s.Root().Conn(context.Background())
	if err != nil {
		s.t.Fatalf("connect to %s: %v", s.Flavor, err)
	}
	defer func() { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }() // throws the connection away
	for _, statement := range statements {
		if _, err := conn.ExecContext(context.Background(), statement); err != nil {
			s.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// Value returns the first column of a query's first row as text, as root.
func (s *Instance) Value(query string, args ...any) string {
	s.t.Helper()
	var v sql.NullString
	if err := s.Root().QueryRowContext(context.Background(), query, args...).Scan(&v); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return v.String
}

// Pid returns the process id of the running server.
func (s *Instance) Pid() int { return s.run.cmd.Process.Pid }

// Kill ends the server as a power cut of its process would (SIGKILL), and waits for its end.
func (s *Instance) Kill() { s.signal(syscall.SIGKILL) }

// Stop shuts the server down in order.
func (s *Instance) Stop() {
	if s.run != nil && s.Flavor == MySQL {
		s.endSessions() // it waits ten seconds for one that is idle
	}
	s.signal(syscall.SIGTERM)
}

// endSessions ends the sessions of clients, as the shutdown that follows does.
func (s *Instance) endSessions() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	rows, err := s.Root().QueryContext(ctx, `SELECT ID FROM information_schema.PROCESSLIST
		WHERE USER NOT IN ('system user', 'event_scheduler') AND ID <> CONNECTION_ID()`)
	if err != nil {
		return // it has ended, or does not answer: then the signal decides
	}
	var ids []int64
	for rows.Next() {
		var id int64
		if rows.Scan(&id) == nil {
			ids = append(ids, id)
		}
	}
	_ = rows.Close()
	for _, id := range ids {
		_, _ = s.Root().ExecContext(ctx, "KILL "+strconv.FormatInt(id, 10)) // it may have ended
	}
}

func (s *Instance) signal(sig syscall.Signal) {
	if s.run == nil {
		return
	}
	_ = s.run.cmd.Process.Signal(sig) // it may have ended by itself
	select {
	case <-s.run.done:
	case <-time.After(startTimeout):
		_ = s.run.cmd.Process.Kill()
		<-s.run.done
	}
	s.run = nil
}

// Restart stops the server in order if it runs, and starts it again on the
// same port with the same data. Only what is persisted survives.
func (s *Instance) Restart() {
	s.t.Helper()
	s.Stop()
	program, err := find(context.Background(), s.Flavor)
	if err != nil {
		s.t.Fatal(err)
	}
	s.start(program)
	s.waitReady(s.run)
}

func (s *Instance) close() {
	if s.client != nil {
		_ = s.client.Close()
	}
	s.Kill()
	if s.t.Failed() {
		s.t.Logf("error log of %s on port %d:\n%s", s.Flavor, s.Port, s.logTail())
	}
}

// logTail returns the end of the error log.
func (s *Instance) logTail() string {
	b, err := os.ReadFile(s.ErrorLog)
	if err != nil {
		return err.Error()
	}
	const most = 1500
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return string(b)
}

// unavailable skips the test, or fails it where nothing may be skipped.
func unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

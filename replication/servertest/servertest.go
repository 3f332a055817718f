// Package servertest starts real MariaDB and MySQL servers for tests. They are plain
// processes on free loopback ports, each with its own data directory and ids, and with
// binary log and GTID on.
//
// MariaDB is the mariadbd in PATH (Debian package mariadb-server). MySQL is
// Debian sid's mysql-server-core in a tree that debootstrap makes once in
// /var/cache/migrate-lab/mysql-sid. It runs under the tree's own dynamic loader, so that
// it needs neither chroot nor mount and sees the same files as the test.
//
// A test is skipped with the reason if its server cannot run; with CI=true in the
// environment it fails instead.
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

// Each runs test as one subtest a flavor, both in parallel, because their servers mostly
// wait. The subtests start when the calling test has returned: nothing may follow Each.
func Each(t *testing.T, test func(t *testing.T, flavor Flavor)) {
	t.Helper()
	for _, flavor := range Flavors() {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			test(t, flavor)
		})
	}
}

// startTimeout bounds the start of a server, also on a slow shared machine.
const startTimeout = 90 * time.Second

// lastID is the last server_id that this process has given to a server.
var lastID atomic.Uint32

// Instance is one server. It ends with the test that has started it.
type Instance struct {
	Flavor Flavor
	Dir    string // holds all files of the instance
	Socket string // the unix socket, where root logs in without a password
	Port   int    // the TCP port on 127.0.0.1
	// ConfDir is the folder of the option files (*.cnf) that the server reads when it
	// starts, like /etc/mysql/mariadb.conf.d of a Debian host.
	ConfDir string
	// Arguments are of the server's command line, from its next start on.
	Arguments []string
	ServerID  uint32
	ErrorLog  string

	t    testing.TB
	run  *process
	root *sql.DB
}

// process is one run of the server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the process has ended
}

// Start starts a server and waits until it answers. When the test ends, the server is
// killed and its files are removed; if the test has failed, it logs the end of the
// server's error log.
func Start(t testing.TB, flavor Flavor, options ...Option) *Instance {
	t.Helper()
	s := launch(t, flavor, options...)
	s.waitReady(s.run)
	return s
}

// StartTwo starts two servers in parallel, as Start does.
func StartTwo(t testing.TB, flavor Flavor, options ...Option) (first, second *Instance) {
	t.Helper()
	first, second = launch(t, flavor, options...), launch(t, flavor, options...)
	first.waitReady(first.run)
	second.waitReady(second.run)
	return first, second
}

// launch starts a server, and does not wait until it answers.
func launch(t testing.TB, flavor Flavor, options ...Option) *Instance {
	t.Helper()
	program, err := findProgram(t.Context(), flavor)
	if err != nil {
		unavailable(t, "cannot run %s: %v", flavor, err)
	}
	template, err := program.template(t.Context())
	if err != nil {
		unavailable(t, "cannot initialise %s: %v", flavor, err)
	}
	// t.TempDir() has the test's name in it, and the path of a unix socket may have only
	// 107 bytes.
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

// start starts the server's process.
func (s *Instance) start(program program) {
	s.t.Helper()
	cmd := program.command(append([]string{"--defaults-file=" + filepath.Join(s.Dir, "my.cnf")}, s.Arguments...)...)
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

// waitReady waits until the server answers.
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

// Root returns a pool of root's sessions over the unix socket. It keeps no idle session,
// which would count as a client. The pool survives Kill and Restart, and is closed when
// the test ends.
func (s *Instance) Root() *sql.DB {
	if s.root == nil {
		s.root = s.Open("root", "", "unix")
		s.root.SetMaxIdleConns(0)
	}
	return s.root
}

// Open returns a new pool of a user's sessions over the network "unix" or "tcp". The
// caller closes it.
func (s *Instance) Open(user, password, network string) *sql.DB {
	c, err := mysql.NewConnector(s.Config(user, password, network))
	if err != nil {
		s.t.Fatal(err) // only possible with a wrong literal in Config
	}
	return sql.OpenDB(c)
}

// Config returns the driver's configuration for a user over the network "unix" or "tcp".
func (s *Instance) Config(user, password, network string) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = user, password, network, s.Addr()
	if network == "unix" {
		c.Addr = s.Socket
	}
	c.Logger = &mysql.NopLogger{} // a pool that sees its server die is the point of many tests
	return c
}

// Addr returns the server's TCP address, host:port.
func (s *Instance) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// Exec runs statements as root, one after another, in a session of their own, so that
// their session variables do not outlive them.
func (s *Instance) Exec(statements ...string) {
	s.t.Helper()
	conn, err := s.Root().Conn(context.Background())
	if err != nil {
		s.t.Fatalf("connect to %s: %v", s.Flavor, err)
	}
	defer func() { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }() // makes the pool discard the connection
	for _, statement := range statements {
		if _, err := conn.ExecContext(context.Background(), statement); err != nil {
			s.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// Value runs a query as root and returns the first column of its first row as text; NULL
// is "".
func (s *Instance) Value(query string, args ...any) string {
	s.t.Helper()
	var v sql.NullString
	if err := s.Root().QueryRowContext(context.Background(), query, args...).Scan(&v); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return v.String
}

// Pid returns the server's process id. The server must be running.
func (s *Instance) Pid() int { return s.run.cmd.Process.Pid }

// Kill ends the server by SIGKILL, and waits for its end.
func (s *Instance) Kill() { s.signal(syscall.SIGKILL) }

// Stop shuts the server down cleanly, and waits for its end.
func (s *Instance) Stop() {
	if s.run != nil && s.Flavor == MySQL {
		s.endSessions() // it would wait ten seconds for an idle session
	}
	s.signal(syscall.SIGTERM)
}

// endSessions ends the clients' sessions, as the shutdown would do.
func (s *Instance) endSessions() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	rows, err := s.Root().QueryContext(ctx, `SELECT ID FROM information_schema.PROCESSLIST
		WHERE USER NOT IN ('system user', 'event_scheduler') AND ID <> CONNECTION_ID()`)
	if err != nil {
		return // it has ended or does not answer: the signal will end it
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

// signal sends a signal to the server and waits for its end.
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

// Restart stops the server cleanly if it is running, and starts it again on the same port
// with the same data. Variables that are not persisted have their first values again.
func (s *Instance) Restart() {
	s.t.Helper()
	s.Stop()
	program, err := findProgram(context.Background(), s.Flavor)
	if err != nil {
		s.t.Fatal(err)
	}
	s.start(program)
	s.waitReady(s.run)
}

func (s *Instance) close() {
	if s.root != nil {
		_ = s.root.Close()
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
	const maxBytes = 1500
	if len(b) > maxBytes {
		b = b[len(b)-maxBytes:]
	}
	return string(b)
}

// unavailable skips the test, or fails it in CI, where no test may be skipped.
func unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

package replicationtest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// Pair is a pair of real servers on this machine: as migrate sees them, and as
// processes that a test can kill, restart and query as root.
type Pair struct {
	replication.Pair
	SourceInstance, TargetInstance *servertest.Instance
}

// Start starts two empty servers of a flavor and returns them as a pair without
// hosts and links, named main: what a seed begins with.
func Start(t testing.TB, flavor servertest.Flavor, options ...servertest.Option) (pair replication.Pair, source, target *servertest.Instance) {
	t.Helper()
	source, target = servertest.StartTwo(t, flavor, options...)
	return replication.Pair{Name: "main", Source: Server(t, source, replication.Source, nil), Target: Server(t, target, replication.Target, nil)}, source, target
}

// StartApp starts two servers of a flavor as a pair with hosts and without links,
// named main: what a link begins with. Both have the empty table app.notes and the
// login of Writer, made out of the binlog.
func StartApp(t testing.TB, flavor servertest.Flavor, options ...servertest.Option) *Pair {
	t.Helper()
	p := &Pair{}
	p.SourceInstance, p.TargetInstance = servertest.StartTwo(t, flavor, options...)
	p.Pair = replication.Pair{
		Name:    "main",
		Source:  Server(t, p.SourceInstance, replication.Source, remote.NewLocal("source")),
		Target:  Server(t, p.TargetInstance, replication.Target, remote.NewLocal("target")),
		Schemas: []string{"app"},
	}
	for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
		s.Exec("SET SESSION sql_log_bin = 0", "CREATE SCHEMA app",
			"CREATE TABLE app.notes (id BIGINT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(64) NOT NULL UNIQUE)",
			"CREATE USER writer@'%' IDENTIFIED BY 'writer'", "GRANT ALL ON app.* TO writer@'%'",
			"CREATE USER writer@localhost IDENTIFIED BY 'writer'", "GRANT ALL ON app.* TO writer@localhost")
	}
	return p
}

// Server is a side of a pair on an instance, which migrate logs in to as root over
// the unix socket. host is where it runs; nil is no host. It is closed when the test
// ends.
func Server(t testing.TB, s *servertest.Instance, side replication.Side, host remote.Host) *replication.Server {
	t.Helper()
	return ServerAt(t, s, side, host, replication.Endpoint{Host: "127.0.0.1", Port: s.Port})
}

// ServerAt is Server with an endpoint of its own: where the other side's server looks
// for it.
func ServerAt(t testing.TB, s *servertest.Instance, side replication.Side, host remote.Host, endpoint replication.Endpoint) *replication.Server {
	t.Helper()
	server := replication.NewServer(replication.ServerConfig{
		Name: fmt.Sprintf("main (%s)", side), Side: side, Host: host,
		Network: "unix", Address: s.Socket, User: "root",
		Endpoint: func(context.Context) (replication.Endpoint, error) {
			return endpoint, nil
		},
	})
	t.Cleanup(func() { _ = server.Close() }) // fails if the test has killed the instance
	return server
}

// Session opens a session over the unix socket that lasts as long as the test.
func Session(t testing.TB, s *servertest.Instance, user, password string) *replication.Session {
	t.Helper()
	db := s.Open(user, password, "unix")
	t.Cleanup(func() { _ = db.Close() })
	c, err := db.Conn(t.Context())
	require.NoError(t, err)
	return &replication.Session{Conn: c}
}

// Writer returns a pool of sessions of the application's unprivileged login on a
// server of StartApp. It is closed when the test ends.
func Writer(t *testing.T, s *servertest.Instance) *sql.DB {
	t.Helper()
	db := s.Open("writer", "writer", "unix")
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// ReadFile returns the contents of a file that must exist.
func ReadFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// WhileFenced runs do while the server refuses applications' writes, as a target does until
// it takes over.
func WhileFenced(s *servertest.Instance, do func()) {
	s.Exec("SET GLOBAL read_only = 1")
	defer s.Exec("SET GLOBAL read_only = 0") // super_read_only, too
	do()
}

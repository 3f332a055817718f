package replication

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// testPair is a pair of real servers on this machine.
type testPair struct {
	Pair
	source, target *servertest.Instance
}

// startApp starts two servers of a flavor with an empty schema "app" on both,
// out of the binlog, and returns them as a pair without links.
func startApp(t testing.TB, flavor servertest.Flavor, options ...servertest.Option) *testPair {
	t.Helper()
	p := &testPair{}
	p.source, p.target = servertest.StartTwo(t, flavor, options...)
	p.Pair = Pair{
		Name:    "main",
		Source:  testServer(t, p.source, Source, remote.NewLocal("source")),
		Target:  testServer(t, p.target, Target, remote.NewLocal("target")),
		Schemas: []string{"app"},
	}
	for _, s := range []*servertest.Instance{p.source, p.target} {
		s.Exec("SET SESSION sql_log_bin = 0", "CREATE SCHEMA app",
			"CREATE TABLE app.notes (id BIGINT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(64) NOT NULL UNIQUE)",
			"CREATE USER writer@'%' IDENTIFIED BY 'writer'", "GRANT ALL ON app.* TO writer@'%'",
			"CREATE USER writer@localhost IDENTIFIED BY 'writer'", "GRANT ALL ON app.* TO writer@localhost")
	}
	return p
}

// testServer is the server of an instance, logged in to as root by its socket. host is
// where it runs; nil is none.
func testServer(t testing.TB, s *servertest.Instance, side Side, host remote.Host) *Server {
	t.Helper()
	server := NewServer(ServerConfig{
		Name: fmt.Sprintf("main (%s)", side), Side: side, Host: host,
		Network: "unix", Address: s.Socket, User: "root",
		Endpoint: func(context.Context) (Endpoint, error) { return Endpoint{"127.0.0.1", s.Port}, nil },
	})
	t.Cleanup(func() { _ = server.Close() }) // says so when its server was killed
	return server
}

// startPair starts two empty servers of a flavor, as a pair without hosts and links.
func startPair(t testing.TB, flavor servertest.Flavor, options ...servertest.Option) (Pair, *servertest.Instance, *servertest.Instance) {
	t.Helper()
	source, target := servertest.StartTwo(t, flavor, options...)
	return Pair{Name: "main", Source: testServer(t, source, Source, nil), Target: testServer(t, target, Target, nil)}, source, target
}

// settle waits until the server `to` has executed all that `from` has.
func settle(t testing.TB, from, to *Server) {
	t.Helper()
	ctx := t.Context()
	db, dialect, err := from.Open(ctx)
	require.NoError(t, err)
	goal, err := executedGTIDs(ctx, db, dialect)
	require.NoError(t, err)
	db, err = to.DB(ctx)
	require.NoError(t, err)
	own, err := dialect.NativeDomain(ctx, db)
	require.NoError(t, err)
	reached, err := waitGTIDs(ctx, db, dialect, goal.Without(own), time.Minute)
	require.NoError(t, err)
	if !reached {
		status, err := dialect.ReplicaStatus(ctx, db)
		require.NoError(t, err)
		t.Fatalf("%s does not reach %s: %+v", to.Name(), goal, status)
	}
}

// apply applies and verifies a step.
func apply(t testing.TB, s plan.Step) error {
	t.Helper()
	if err := s.Op.Apply(t.Context()); err != nil {
		return err
	}
	return s.Op.Verify(t.Context())
}

// session opens a session that lasts as long as the test.
func session(t testing.TB, s *servertest.Instance, user, password string) *Session {
	t.Helper()
	db := s.Open(user, password, "unix")
	t.Cleanup(func() { _ = db.Close() })
	c, err := db.Conn(t.Context())
	require.NoError(t, err)
	return &Session{c}
}

// writer opens sessions of the unprivileged application user.
func writer(t *testing.T, s *servertest.Instance) *sql.DB {
	t.Helper()
	c := s.Open("writer", "writer", "unix")
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

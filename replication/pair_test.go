package replication

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// testPair is a pair of real servers on this machine.
type testPair struct {
	Pair
	source, target *servertest.Instance
}

// newTestPair starts two servers of a flavor with an empty schema "app" on both,
// out of the binlog, and returns them as a pair without links.
func newTestPair(t testing.TB, flavor servertest.Flavor, options ...servertest.Option) *testPair {
	t.Helper()
	p := &testPair{}
	p.source, p.target = servertest.StartTwo(t, flavor, options...)
	p.Pair = Pair{
		Name:    "main",
		Source:  testServer(t, p.source, Source),
		Target:  testServer(t, p.target, Target),
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

func testServer(t testing.TB, s *servertest.Instance, side Side) *Server {
	t.Helper()
	server := NewServer(ServerConfig{
		Name: fmt.Sprintf("main (%s)", side), Side: side, Host: remote.NewLocal(string(side)),
		Network: "unix", Address: s.Socket, User: "root",
		Endpoint: func(context.Context) (Endpoint, error) { return Endpoint{"127.0.0.1", s.Port}, nil },
	})
	t.Cleanup(func() { _ = server.Close() }) // says so when its server was killed
	return server
}

// linked starts the forward link, and the reverse one if both is set.
func (p *testPair) linked(t testing.TB, both bool) {
	t.Helper()
	require.NoError(t, Link(p.Source, p.Target).Op.Apply(t.Context()))
	if both {
		require.NoError(t, Link(p.Target, p.Source).Op.Apply(t.Context()))
	}
}

// settle waits until each side has what the other has.
func (p *testPair) settle(t testing.TB, links ...linkOp) {
	t.Helper()
	for _, l := range links {
		require.NoError(t, l.caughtUp(t.Context()))
	}
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

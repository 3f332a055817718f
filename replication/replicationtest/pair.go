package replicationtest

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
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// Pair is a pair of real servers on this machine.
type Pair struct {
	replication.Pair
	SourceInstance, TargetInstance *servertest.Instance
}

// StartApp starts two servers of a flavor with an empty schema "app" on both,
// out of the binlog, and returns them as a pair without links.
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

// Server is the server of an instance, logged in to as root by its socket. host is
// where it runs; nil is none.
func Server(t testing.TB, s *servertest.Instance, side replication.Side, host remote.Host) *replication.Server {
	t.Helper()
	server := replication.NewServer(replication.ServerConfig{
		Name: fmt.Sprintf("main (%s)", side), Side: side, Host: host,
		Network: "unix", Address: s.Socket, User: "root",
		Endpoint: func(context.Context) (replication.Endpoint, error) {
			return replication.Endpoint{Host: "127.0.0.1", Port: s.Port}, nil
		},
	})
	t.Cleanup(func() { _ = server.Close() }) // says so when its server was killed
	return server
}

// Start starts two empty servers of a flavor, as a pair without hosts and links.
func Start(t testing.TB, flavor servertest.Flavor, options ...servertest.Option) (replication.Pair, *servertest.Instance, *servertest.Instance) {
	t.Helper()
	source, target := servertest.StartTwo(t, flavor, options...)
	return replication.Pair{Name: "main", Source: Server(t, source, replication.Source, nil), Target: Server(t, target, replication.Target, nil)}, source, target
}

// Settle waits until the server `to` has executed all that `from` has.
func Settle(t testing.TB, from, to *replication.Server) {
	t.Helper()
	ctx := t.Context()
	db, dialect, err := from.Open(ctx)
	require.NoError(t, err)
	goal, err := replication.ExecutedGTIDs(ctx, db, dialect)
	require.NoError(t, err)
	db, err = to.DB(ctx)
	require.NoError(t, err)
	own, err := dialect.NativeDomain(ctx, db)
	require.NoError(t, err)
	reached, err := replication.WaitGTIDs(ctx, db, dialect, goal.Without(own), time.Minute)
	require.NoError(t, err)
	if !reached {
		status, err := dialect.ReplicaStatus(ctx, db)
		require.NoError(t, err)
		t.Fatalf("%s does not reach %s: %+v", to.Name(), goal, status)
	}
}

// Apply applies and verifies a step.
func Apply(t testing.TB, s plan.Step) error {
	t.Helper()
	if err := s.Op.Apply(t.Context()); err != nil {
		return err
	}
	return s.Op.Verify(t.Context())
}

// Session opens a session that lasts as long as the test.
func Session(t testing.TB, s *servertest.Instance, user, password string) *replication.Session {
	t.Helper()
	db := s.Open(user, password, "unix")
	t.Cleanup(func() { _ = db.Close() })
	c, err := db.Conn(t.Context())
	require.NoError(t, err)
	return &replication.Session{Conn: c}
}

// Writer opens sessions of the unprivileged application user.
func Writer(t *testing.T, s *servertest.Instance) *sql.DB {
	t.Helper()
	c := s.Open("writer", "writer", "unix")
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ReadFile reads a file that must be there.
func ReadFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

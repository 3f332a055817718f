package seed

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// farHost is this host behind a network with a delay in each direction.
type farHost struct {
	*remote.Local
	delay time.Duration
}

// Dial connects as Local does.
func (h farHost) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := h.Local.Dial(ctx, network, address)
	return farConn{conn, h.delay}, err
}

type farConn struct {
	net.Conn
	delay time.Duration
}

// Write sends late.
func (c farConn) Write(p []byte) (int, error) {
	<-time.After(c.delay)
	return c.Conn.Write(p)
}

// TestSnapshotHoldsItsLockForNoRoundTrip proves by the server's own log that MySQL's lock
// is taken and released at once, however far away the server is.
func TestSnapshotHoldsItsLockForNoRoundTrip(t *testing.T) {
	source := servertest.Start(t, servertest.MySQL)
	source.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = 1")
	const delay = 400 * time.Millisecond
	far := replication.NewServer(replication.ServerConfig{Name: "far", Side: replication.Source, Host: farHost{remote.NewLocal("far"), delay}, Network: "unix", Address: source.Socket, User: "root"})
	t.Cleanup(func() { _ = far.Close() })
	snap, err := takeSnapshot(t.Context(), far)
	require.NoError(t, err)
	defer snap.Close()
	source.Exec("SET GLOBAL general_log = 0", "INSERT INTO app.t VALUES (1)")
	held := source.Value(`SELECT TIMESTAMPDIFF(MICROSECOND,
			(SELECT MAX(event_time) FROM mysql.general_log WHERE CONVERT(argument USING utf8mb4) LIKE 'FLUSH TABLES WITH%'),
			(SELECT MAX(event_time) FROM mysql.general_log WHERE CONVERT(argument USING utf8mb4) LIKE 'UNLOCK TABLES%'))`)
	t.Logf("the lock was held for %s µs", held)
	require.NotEmpty(t, held)
	require.Less(t, query.Number(held), delay.Microseconds(), "no round trip in between")
	rows, err := snap.Texts(t.Context(), "SELECT COUNT(*) FROM app.t")
	require.NoError(t, err)
	require.Equal(t, "0", rows[0][0], "the view is of before")
	require.Equal(t, "1", source.Value("SELECT COUNT(*) FROM app.t"))
	executed, err := replication.ParseGTIDSet(dialect.MySQL, strings.ReplaceAll(source.Value("SELECT @@GLOBAL.gtid_executed"), "\n", ""))
	require.NoError(t, err)
	require.EqualValues(t, 1, executed.Ahead(snap.GTIDs), "all but the row that came after")
}

// TestSnapshotWaitsForLongStatements proves that the lock is not requested behind a long
// statement.
func TestSnapshotWaitsForLongStatements(t *testing.T) {
	source := servertest.Start(t, servertest.MySQL)
	s := replicationtest.Server(t, source, replication.Source, nil)
	ended := make(chan error, 1)
	go func() {
		_, err := source.Root().ExecContext(t.Context(), "DO SLEEP(4)")
		ended <- err
	}()
	require.Eventually(t, func() bool {
		return source.Value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep' AND TIME >= 1") == "1"
	}, 20*time.Second, 20*time.Millisecond)
	var notes replicationtest.Notes
	snap, err := takeSnapshot(notes.Context(t.Context()), s)
	require.NoError(t, err)
	snap.Close()
	require.NoError(t, <-ended)
	require.Contains(t, notes.Text(), "holds up the read lock")
}

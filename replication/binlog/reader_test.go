package binlog

import (
	"context"
	"testing"

	logevent "github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/statement"
	"github.com/dcmigrate/migrate/secret"
)

// logRecorder is a Visitor that records the contents of a binlog.
type logRecorder struct {
	transactions []Transaction
	images       int
	statements   []string
}

func (l *logRecorder) Begin(t Transaction) bool {
	l.transactions = append(l.transactions, t)
	return true
}

func (l *logRecorder) Rows(_ context.Context, e *logevent.RowsEvent, _ bool) error {
	l.images += len(e.Rows)
	return nil
}

func (l *logRecorder) XA(XAStep, replication.XID) {}

func (l *logRecorder) Statement(s statement.Logged) {
	l.statements = append(l.statements, FirstWord(s.Text))
}

// TestBinlogOverTCPFromOnePositionToAnother reads a server that has no host, over TCP.
func TestBinlogOverTCPFromOnePositionToAnother(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor)
		s.Exec("SET SESSION sql_log_bin = 0", "CREATE USER boss@'%' IDENTIFIED BY 'boss'", "GRANT ALL ON *.* TO boss@'%' WITH GRANT OPTION")
		server := replication.NewServer(replication.ServerConfig{Name: "main (source)", Side: replication.Source, Network: "tcp", Address: s.Addr(), User: "boss", Password: secret.New("boss")})
		t.Cleanup(func() { _ = server.Close() })
		s.Exec("CREATE SCHEMA app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
		start, err := Logged(t.Context(), server)
		require.NoError(t, err)
		s.Exec("INSERT INTO app.t VALUES (2), (3)", "ALTER TABLE app.t ADD COLUMN n INT",
			"SET SESSION autocommit = 0", "SAVEPOINT a", "INSERT INTO app.t VALUES (4, 4)", "SAVEPOINT b", "INSERT INTO app.t VALUES (5, 5)", "ROLLBACK TO b", "COMMIT")
		goal, err := Logged(t.Context(), server)
		require.NoError(t, err)
		s.Exec("INSERT INTO app.t VALUES (9, 9)")

		reader, err := Open(t.Context(), server)
		require.NoError(t, err)
		log := &logRecorder{}
		require.NoError(t, reader.Read(t.Context(), start, goal, log))
		require.Len(t, log.transactions, 3, "none before, none after")
		require.Equal(t, 3, log.images)
		require.Equal(t, []string{"ALTER"}, log.statements)
		last, err := replication.ParseGTIDSet(reader.Dialect.Flavor, log.transactions[2].ID.String())
		require.NoError(t, err)
		require.True(t, goal.Contains(last))
		id, err := ReadOrigin(t.Context(), server)
		require.NoError(t, err)
		require.True(t, id.Wrote(log.transactions[0].ID))

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, reader.Read(ctx, start, goal, &logRecorder{}), context.Canceled)
		require.NoError(t, reader.Close(ctx), "also when the run has ended")
		require.Equal(t, "0", s.Value("SELECT COUNT(*) FROM mysql.user WHERE User = ?", ReaderLogin(nil).Name))
	})
}

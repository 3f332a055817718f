package fence

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// execAll runs statements in a session.
func execAll(t *testing.T, s *replication.Session, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := s.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// rollBack rolls a prepared transaction back once the session that prepared it is gone.
func rollBack(t *testing.T, s *servertest.Instance, xid string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := s.Root().ExecContext(t.Context(), "XA ROLLBACK "+xid)
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
}

// A prepared transaction belongs to no side: it commits after the fence (MySQL), or on the
// side that is entered, and the link back stops (MariaDB).
func TestPreparedTransactionsBlockTheFence(t *testing.T) { // H15, I2
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		f := Set(p.Source, Options{Wait: time.Second, Kill: true})
		for name, xid := range map[string]string{
			"attached": `'order-7','a',1`, "ended": `X'00ff27',X'',42`, "of bytes like a statement": `X'27207872',X'3b',1`,
		} {
			holder := replicationtest.Session(t, p.SourceInstance, "writer", "writer")
			execAll(t, holder, "XA START "+xid, "INSERT INTO app.notes (text) VALUES (UUID())", "XA END "+xid, "XA PREPARE "+xid)
			if name == "ended" {
				id, err := query.Text(t.Context(), holder, "SELECT CONNECTION_ID()")
				require.NoError(t, err)
				holder.Close()
				require.Eventually(t, func() bool {
					return p.SourceInstance.Value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'writer' AND ID = ?", id) == "0"
				}, 10*time.Second, 10*time.Millisecond)
			}
			_, err := f.Op.Check(t.Context())
			require.ErrorIs(t, err, errPrepared, name)
			require.ErrorContains(t, err, xid, name)
			require.ErrorIs(t, f.Op.Apply(t.Context()), errPrepared, name)
			require.Contains(t, report.Hint(err), "XA ROLLBACK "+xid, name)
			require.Equal(t, "0", p.SourceInstance.Value("SELECT @@GLOBAL.read_only"), "the fence is taken back")
			rollBack(t, p.SourceInstance, xid)
		}
		require.NoError(t, f.Op.Apply(t.Context()))
	})
}

// A transaction of XA that is open at the fence must not commit behind it, in two steps.
func TestOpenXACannotCommitAfterTheFence(t *testing.T) { // H15, I2
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		start := func() *replication.Session {
			app := replicationtest.Session(t, p.SourceInstance, "writer", "writer")
			execAll(t, app, "XA START 'x'", "INSERT INTO app.notes (text) VALUES (UUID())")
			return app
		}
		app := start()
		plain := replicationtest.Session(t, p.SourceInstance, "writer", "writer")
		execAll(t, plain, "START TRANSACTION", "INSERT INTO app.notes (text) VALUES ('plain')")
		err := Set(p.Source, Options{Wait: time.Second}).Op.Apply(t.Context())
		if flavor == servertest.MySQL { // it would pass super_read_only
			require.ErrorContains(t, err, "a transaction of XA")
			require.Equal(t, "0", p.SourceInstance.Value("SELECT @@GLOBAL.read_only"), "the fence is taken back")
			require.NoError(t, Set(p.Source, Options{Wait: time.Second, Kill: true}).Op.Apply(t.Context()))
			_, err = app.ExecContext(t.Context(), "XA END 'x'")
			require.Error(t, err, "the session is gone")
		} else {
			require.NoError(t, err)
			execAll(t, app, "XA END 'x'", "XA PREPARE 'x'")
			_, err = app.ExecContext(t.Context(), "XA COMMIT 'x'")
			require.ErrorContains(t, err, "read-only")
			require.ErrorIs(t, Seal(t.Context(), p.Source), errPrepared)
			p.SourceInstance.Exec("SET GLOBAL read_only = 0")
			rollBack(t, p.SourceInstance, "'x'")
			app = start()
			p.SourceInstance.Exec("SET GLOBAL read_only = 1")
			require.NoError(t, Seal(t.Context(), p.Source))
			_, err = app.ExecContext(t.Context(), "XA END 'x'")
			require.Error(t, err, "the session is gone")
		}
		require.NoError(t, Seal(t.Context(), p.Source))
		_, err = plain.ExecContext(t.Context(), "COMMIT")
		require.Error(t, err)
		require.Equal(t, "0", p.SourceInstance.Value("SELECT COUNT(*) FROM app.notes"))
	})
}

// What cannot be told from a transaction of XA counts as one.
func TestFenceTakesUnwatchedTransactionsForXA(t *testing.T) {
	p := replicationtest.StartApp(t, servertest.MySQL, servertest.Set("performance_schema", "OFF"))
	app := replicationtest.Session(t, p.SourceInstance, "writer", "writer")
	execAll(t, app, "START TRANSACTION", "INSERT INTO app.notes (text) VALUES ('plain')")
	require.ErrorContains(t, Set(p.Source, Options{Wait: time.Second}).Op.Apply(t.Context()), "cannot tell from it")
	execAll(t, app, "COMMIT")
	require.NoError(t, Set(p.Source, Options{Wait: time.Second}).Op.Apply(t.Context()))
}

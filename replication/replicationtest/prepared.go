package replicationtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// PrepareXA prepares a distributed transaction of some statements in a session that ends
// then. The name is as XA START takes it.
func PrepareXA(t testing.TB, s *servertest.Instance, name string, statements ...string) {
	t.Helper()
	db := s.Open("root", "", "unix")
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	for _, statement := range append(append([]string{"XA START " + name}, statements...), "XA END "+name, "XA PREPARE "+name) {
		_, err := conn.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, conn.Close())
	require.NoError(t, db.Close())
}

// EndXA ends a prepared transaction by XA COMMIT or XA ROLLBACK, once the server has noticed
// the end of the session that prepared it.
func EndXA(t testing.TB, s *servertest.Instance, statement string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := s.Root().ExecContext(t.Context(), statement)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond, statement)
}

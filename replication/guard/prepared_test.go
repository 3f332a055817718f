package guard

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// What is prepared when a handover is decided would commit on the side that is left, or
// stop the link back. It is refused on both sides, and the target stays fenced (I1, I2).
func TestHandoverRefusesPreparedTransactions(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		g := newGuard(t, p, time.Minute)
		prepare := func(s *servertest.Instance, xid string) {
			for _, statement := range []string{"SET GLOBAL super_read_only = 0", "SET GLOBAL read_only = 0"} {
				_, _ = s.Root().ExecContext(t.Context(), statement) // MariaDB knows one of them only
			}
			app := replicationtest.Session(t, s, "writer", "writer")
			for _, statement := range []string{"XA START " + xid, "INSERT INTO app.notes (text) VALUES (UUID())", "XA END " + xid, "XA PREPARE " + xid} {
				_, err := app.ExecContext(t.Context(), statement)
				require.NoError(t, err)
			}
			app.Close()
			fenced := "super_read_only"
			if flavor == servertest.MariaDB {
				fenced = "read_only"
			}
			s.Exec("SET GLOBAL " + fenced + " = 1")
		}
		rollBack := func(s *servertest.Instance, xid string) {
			require.Eventually(t, func() bool {
				_, err := s.Root().ExecContext(t.Context(), "XA ROLLBACK "+xid)
				return err == nil
			}, 10*time.Second, 20*time.Millisecond)
			for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} { // the link prepares and ends it, too
				require.Eventually(t, func() bool {
					rows, err := s.Root().Query("XA RECOVER")
					if err != nil {
						return false
					}
					defer rows.Close()
					return !rows.Next() && rows.Err() == nil
				}, 20*time.Second, 20*time.Millisecond)
			}
		}
		require.NoError(t, Arm(g).Op.Apply(t.Context()))
		require.NoError(t, fence.Set(p.Source, fence.Options{Wait: 5 * time.Second}).Op.Apply(t.Context()))
		require.NoError(t, link.Drain(p.Source, p.Target, 10*time.Second).Op.Apply(t.Context()))
		for _, side := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
			prepare(side, "'x','y',3")
			err := Handover(g).Op.Apply(t.Context())
			require.ErrorContains(t, err, "'x','y',3")
			require.Equal(t, "1", p.TargetInstance.Value("SELECT @@GLOBAL.read_only"))
			rollBack(side, "'x','y',3")
		}
		require.NoError(t, Handover(g).Op.Apply(t.Context()))
		require.Equal(t, "0", p.TargetInstance.Value("SELECT @@GLOBAL.read_only"))
	})
}

package guard

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// hammerPrivileged writes to a server from several sessions of an account that passes
// read_only. stop returns how many writes were tried and how many were let in.
func hammerPrivileged(t *testing.T, s *servertest.Instance) (stop func() (tried, written int64)) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var tried, written atomic.Int64
	for range 4 {
		session := replicationtest.Session(t, s, "chief", "x")
		group.Go(func() {
			for ctx.Err() == nil {
				if _, err := session.ExecContext(ctx, "INSERT INTO app.notes (text) VALUES (CONCAT('chief', UUID()))"); err == nil {
					written.Add(1)
				}
				tried.Add(1)
			}
		})
	}
	return func() (int64, int64) {
		cancel()
		group.Wait()
		return tried.Load(), written.Load()
	}
}

// MySQL's super_read_only does not give way in a switch: what migrate writes for itself
// on a fenced side goes there by the link, or has no rows (I2).
func TestNoPrivilegedWriteGetsInDuringASwitch(t *testing.T) {
	p := guardedPair(t, servertest.MySQL)
	p.SourceInstance.Exec("CREATE USER chief@localhost IDENTIFIED BY 'x'", "GRANT SUPER, CONNECTION_ADMIN, INSERT ON *.* TO chief@localhost")
	require.NoError(t, link.HeartbeatTable(p.Pair).Op.Apply(t.Context()))
	require.NoError(t, link.CatchUp(t.Context(), p.Source, p.Target))
	g := newGuard(t, p, time.Minute)
	stop := hammerPrivileged(t, p.TargetInstance)
	for range 5 {
		require.NoError(t, link.RoundTrip(p.Target, p.Source).Op.Apply(t.Context()))
	}
	for range 3 {
		require.NoError(t, Arm(g).Op.Apply(t.Context()))
		require.NoError(t, Arm(g).Op.Undo(t.Context(), nil))
	}
	require.NoError(t, Arm(g).Op.Apply(t.Context()))
	tried, written := stop()
	require.Greater(t, tried, int64(100))
	require.Zero(t, written, "of %d writes on the fenced target", tried)

	require.NoError(t, fence.Set(p.Source, fence.Options{Wait: 5 * time.Second}).Op.Apply(t.Context()))
	stop = hammerPrivileged(t, p.SourceInstance)
	require.NoError(t, link.Drain(p.Source, p.Target, 10*time.Second).Op.Apply(t.Context()))
	require.NoError(t, Handover(g).Op.Apply(t.Context()))
	back := newGuard(t, p, time.Minute)
	back.From, back.To = g.To, g.From
	require.NoError(t, link.RoundTrip(p.Source, p.Target).Op.Apply(t.Context()))
	require.NoError(t, Arm(back).Op.Apply(t.Context()))
	require.NoError(t, Arm(back).Op.Undo(t.Context(), nil))
	tried, written = stop()
	require.Greater(t, tried, int64(100))
	require.Zero(t, written, "of %d writes on the side that was left", tried)
	for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
		require.Equal(t, "0", s.Value("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'migrate_guard%'"))
	}
}

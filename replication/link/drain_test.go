package link

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestDrainCarriesEveryAcknowledgedWrite(t *testing.T) { // I1
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		startLinks(t, p.Pair, false)
		h := replicationtest.StartHammer(t, p.SourceInstance, "w")
		h.Wait(t, 200)
		require.ErrorIs(t, Drain(p.Source, p.Target, time.Second).Op.Apply(t.Context()), ErrNotFenced)

		require.NoError(t, fence.Set(p.Source, fence.Options{Wait: 5 * time.Second}).Op.Apply(t.Context()))
		plantest.Exercise(t, Drain(p.Source, p.Target, 20*time.Second))
		h.Stop()
		h.RequireOn(t, p.TargetInstance)
		require.Equal(t, p.SourceInstance.Value("SELECT COUNT(*) FROM app.notes"), p.TargetInstance.Value("SELECT COUNT(*) FROM app.notes"))
	})
}

// The side that is drained still gets what the other one writes: after a switch
// that died before its decision, and while both sides take writes.
func TestDrainOfASideThatGetsTheOthersWrites(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		startLinks(t, p.Pair, true)
		require.NoError(t, fence.Set(p.Target, fence.Options{}).Op.Apply(t.Context()))
		for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} { // no gap between two commits
			s.Exec("SET GLOBAL sync_binlog = 0", "SET GLOBAL innodb_flush_log_at_trx_commit = 0")
		}
		h := replicationtest.StartHammer(t, p.SourceInstance, "w")
		for range 5 {
			h.Wait(t, 200)
			n := h.Count()
			require.NoError(t, Drain(p.Target, p.Source, 20*time.Second).Op.Apply(t.Context()))
			during := h.Count() - n
			require.Less(t, during, 3000, "it waited for a gap between two writes")
		}
	})
}

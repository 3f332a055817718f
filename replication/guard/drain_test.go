package guard

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// The side that is drained still gets what the other one writes: after a switch
// that died before its decision, and while both sides take writes.
func TestDrainOfASideThatGetsTheOthersWrites(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} { // no gap between two commits
			s.Exec("SET GLOBAL sync_binlog = 0", "SET GLOBAL innodb_flush_log_at_trx_commit = 0")
		}
		h := replicationtest.StartHammer(t, p.SourceInstance, "w")
		for range 5 {
			h.Wait(t, 200)
			n := h.Count()
			require.NoError(t, link.Drain(p.Target, p.Source, 20*time.Second).Op.Apply(t.Context()))
			during := h.Count() - n
			require.Less(t, during, 3000, "it waited for a gap between two writes")
		}
	})
}

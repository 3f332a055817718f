package guard

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// A switch was killed in its critical section, and its guard has given the source back. By
// then the reverse link has stopped. The same command asks every gate again: handing over
// would leave no way back.
func TestResumedSwitchAsksItsGatesAgain(t *testing.T) { // I5
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		require.NoError(t, replicationtest.Apply(t, link.HeartbeatTable(p.Pair)))
		j, err := plan.OpenJournal(filepath.Join(t.TempDir(), "journal.jsonl"), "tester")
		require.NoError(t, err)
		defer func() { require.NoError(t, j.Close()) }()
		g := newGuard(t, p, 5*time.Second) // a busy machine takes two for the fence
		one := func(name string, critical bool, s plan.Step) plan.Stage {
			return plan.Stage{Name: name, Critical: critical, Commits: name == "handover", Steps: []plan.Step{s}}
		}
		switchOver := func() plan.Plan {
			return plan.Plan{Site: "test", Kind: "cutover", GatesHold: time.Minute, Stages: []plan.Stage{
				one("gates", false, link.LagBelow(p.Target, p.Source, 10*time.Second, 100*time.Millisecond)),
				one("guard", true, Arm(g)), one("fence", true, Fence(g, fence.Options{Wait: time.Second})),
				one("drain", true, link.Drain(p.Source, p.Target, time.Second)), one("handover", true, Handover(g)),
			}}
		}
		run := func(to string) error {
			return (&plan.Runner{Journal: j}).Run(t.Context(), switchOver(), plan.RunOptions{To: to})
		}
		stop, start := "STOP SLAVE", "START SLAVE"
		if flavor == servertest.MySQL {
			stop, start = "STOP REPLICA", "START REPLICA"
		}
		require.ErrorIs(t, run("fence"), plan.ErrStopped) // it dies here
		require.Eventually(t, func() bool { return isOpen(t, p.Source) }, 20*time.Second, 20*time.Millisecond)
		p.SourceInstance.Exec(stop)
		require.ErrorContains(t, run(""), "cutover/gates/lag-reverse")
		require.True(t, isOpen(t, p.Source))
		require.True(t, isFenced(t, p.Target))
		require.NoDirExists(t, g.folder(), "what was begun is taken back")

		// With the way back open the same command switches anew.
		p.SourceInstance.Exec(start)
		g.Budget = 30 * time.Second
		require.NoError(t, run(""))
		require.True(t, isOpen(t, p.Target))
		require.True(t, isFenced(t, p.Source))
		require.Len(t, j.History().Runs, 3)
	})
}

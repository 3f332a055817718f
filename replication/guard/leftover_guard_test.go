package guard

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/wait"
)

// A switch was killed, and the next command is a switch in the other direction: once
// that has begun, the guard of the killed one must not act any more.
func TestSwitchBackAfterAKilledSwitch(t *testing.T) { // I1, I2, I3
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		g := newGuard(t, p, 5*time.Second)
		decided := func(h handoverOp) {
			require.NoError(t, h.drain(t.Context()))
			require.NoError(t, h.decide(t.Context()))
		}
		acted := func(h handoverOp) {
			decided(h)
			require.Eventually(t, func() bool { return isOpen(t, h.To) }, 20*time.Second, 20*time.Millisecond)
		}
		t.Run("cutover killed before its decision", func(t *testing.T) { requireSwitchBack(t, p, g, func(handoverOp) {}) })
		t.Run("cutover killed after its decision", func(t *testing.T) { requireSwitchBack(t, p, g, decided) })
		t.Run("cutover killed and completed by its guard", func(t *testing.T) { requireSwitchBack(t, p, g, acted) })
		requireSwitch(t, g)
		t.Run("rollback killed after its decision", func(t *testing.T) { requireSwitchBack(t, p, g.opposite(), decided) })
	})
}

// requireSwitch runs the critical section of a switch.
func requireSwitch(t *testing.T, g Guard) {
	t.Helper()
	for _, step := range []interface {
		Apply(ctx context.Context) error
		Verify(ctx context.Context) error
	}{Arm(g).Op, fence.Set(g.From, fence.Options{}).Op, link.Drain(g.From, g.To, 10*time.Second).Op, Handover(g).Op} {
		require.NoError(t, step.Apply(t.Context()))
		require.NoError(t, step.Verify(t.Context()))
	}
}

// requireSwitchBack begins a switch under load, lets it die, and switches back.
func requireSwitchBack(t *testing.T, p *replicationtest.Pair, g Guard, die func(handoverOp)) {
	t.Helper()
	tag := rand.Text()[:8]
	hammers := []*replicationtest.Hammer{replicationtest.StartHammer(t, p.SourceInstance, tag+"-source"), replicationtest.StartHammer(t, p.TargetInstance, tag+"-target")}
	w := startSideWatch(t, p)
	start := time.Now()
	require.NoError(t, Arm(g).Op.Apply(t.Context()))
	require.NoError(t, fence.Set(g.From, fence.Options{}).Op.Apply(t.Context()))
	die(handoverOp{g})

	back := g.opposite()
	state, err := Arm(back).Op.Check(t.Context())
	require.NoError(t, err)
	require.False(t, state.Done)
	require.Contains(t, state.Now, "a guard of an earlier switch is left on the machine of "+g.From.Name())
	requireSwitch(t, back)
	require.NoDirExists(t, g.folder())
	require.Empty(t, guardProcesses(t, g))

	// After the deadline of the guard that was left, nothing has changed.
	require.NoError(t, wait.For(t.Context(), time.Until(start.Add(g.budget()+time.Second))))
	require.True(t, isOpen(t, g.From))
	require.False(t, isOpen(t, g.To))
	w.require(t, g.budget()+5*time.Second)
	for _, h := range hammers {
		h.Stop()
	}
	replicationtest.Settle(t, p.Source, p.Target)
	replicationtest.Settle(t, p.Target, p.Source)
	total := 0
	for _, h := range hammers {
		if total += h.Count(); h.Count() > 0 {
			h.RequireOn(t, p.SourceInstance)
			h.RequireOn(t, p.TargetInstance)
		}
	}
	require.NotZero(t, total)
}

package guard

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/wait"
)

// newGuard returns the guard of a cutover of p, whose process ends with the test.
func newGuard(t testing.TB, p *replicationtest.Pair, budget time.Duration) Guard {
	t.Helper()
	g := Guard{Pair: p.Name, From: p.Source, To: p.Target, Budget: budget, Dir: t.TempDir()}
	t.Cleanup(func() {
		if out, err := g.run(context.Background(), `cat "$dir/log" 2>/dev/null; end`); err != nil || t.Failed() {
			t.Logf("guard: %s %v", out, err)
		}
	})
	return g
}

// guardedPair is a pair that replicates both ways with its target fenced.
func guardedPair(t testing.TB, flavor servertest.Flavor) *replicationtest.Pair {
	t.Helper()
	p := replicationtest.StartApp(t, flavor)
	require.NoError(t, replicationtest.Apply(t, link.Start(p.Source, p.Target)))
	require.NoError(t, replicationtest.Apply(t, link.Start(p.Target, p.Source)))
	require.NoError(t, fence.Set(p.Target, fence.Options{}).Op.Apply(t.Context()))
	return p
}

func TestGuardSteps(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		g := newGuard(t, p, time.Minute)
		plantest.Exercise(t, Arm(g))

		info, err := os.Stat(g.folder())
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
		info, err = os.Stat(g.folder() + "/to.cnf")
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

		guards := Statuses(t.Context(), g.opposite())
		require.Len(t, guards, 1)
		require.Equal(t, "armed", guards[0].State)
		require.Equal(t, p.Source.Name(), guards[0].Opens)
		require.True(t, guards[0].Alive)
		require.WithinDuration(t, time.Now().Add(time.Minute), guards[0].Deadline, 30*time.Second)

		require.NoError(t, fence.Set(p.Source, fence.Options{}).Op.Apply(t.Context()))
		plantest.Exercise(t, Handover(g))
		require.NoDirExists(t, g.folder())
		require.Equal(t, "0", p.TargetInstance.Value("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'migrate_guard%'"))
		require.Empty(t, guardProcesses(t, g))

		state, err := Arm(g).Op.Check(t.Context())
		require.NoError(t, err)
		require.True(t, state.Done, "after the switch no guard may be armed again")
	})
}

// guardProcesses lists the processes of a guard.
func guardProcesses(t *testing.T, g Guard) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	var found []string
	for _, e := range entries {
		b, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err == nil && strings.Contains(string(b), g.folder()+"/guard.sh") {
			found = append(found, e.Name())
		}
	}
	return found
}

// sideWatch samples which sides accept application writes: never both (I2), and never
// none of them for too long (I3).
type sideWatch struct {
	cancel        context.CancelFunc
	wg            sync.WaitGroup
	bothOpen      []string
	longestClosed time.Duration // the longest time that neither side accepted writes
	samples       int
}

func startSideWatch(t testing.TB, p *replicationtest.Pair) *sideWatch {
	ctx, cancel := context.WithCancel(t.Context())
	w := &sideWatch{cancel: cancel}
	t.Cleanup(w.stop)
	w.wg.Go(func() {
		lastOpen := time.Now()
		for ctx.Err() == nil {
			// The sides are asked one after the other. The source is asked once more:
			// else a switch in between would look like two open sides.
			source, err1 := fence.ReadRunning(ctx, p.Source)
			target, err2 := fence.ReadRunning(ctx, p.Target)
			again, err3 := fence.ReadRunning(ctx, p.Source)
			if err1 == nil && err2 == nil && err3 == nil {
				w.samples++
				if source.Open && target.Open && again.Open {
					w.bothOpen = append(w.bothOpen, time.Now().String())
				}
				if source.Open || target.Open || again.Open {
					lastOpen = time.Now()
				}
				w.longestClosed = max(w.longestClosed, time.Since(lastOpen))
			}
			_ = wait.For(ctx, 5*time.Millisecond)
		}
	})
	return w
}

func (w *sideWatch) stop() {
	w.cancel()
	w.wg.Wait()
}

func (w *sideWatch) require(t *testing.T, budget time.Duration) {
	t.Helper()
	w.stop()
	require.Greater(t, w.samples, 10)
	require.Empty(t, w.bothOpen, "I2: both sides accepted application writes")
	require.Less(t, w.longestClosed, budget, "I3: both sides were fenced for too long")
}

func TestSwitchUnderLoad(t *testing.T) { // I1, I2, I3
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		p.SourceInstance.Exec("SET GLOBAL auto_increment_increment = 2", "SET GLOBAL auto_increment_offset = 1")
		p.TargetInstance.Exec("SET GLOBAL auto_increment_increment = 2", "SET GLOBAL auto_increment_offset = 2")
		old, fresh := replicationtest.StartHammer(t, p.SourceInstance, "source"), replicationtest.StartHammer(t, p.TargetInstance, "target")
		old.Wait(t, 100)
		require.Zero(t, fresh.Count(), "I2: the target is fenced")
		w := startSideWatch(t, p)

		g := newGuard(t, p, 20*time.Second)
		for _, step := range []interface{ Apply(context.Context) error }{
			Arm(g).Op, fence.Set(p.Source, fence.Options{Wait: 5 * time.Second}).Op,
			link.Drain(p.Source, p.Target, 10*time.Second).Op, Handover(g).Op,
		} {
			require.NoError(t, step.Apply(t.Context()))
		}
		fresh.Wait(t, 100)
		w.require(t, 20*time.Second)
		before := old.Count()
		fresh.Wait(t, 50)
		require.Equal(t, before, old.Count(), "I2: nothing is acknowledged by the fenced source")
		old.Stop()
		fresh.Stop()
		replicationtest.Settle(t, p.Source, p.Target)
		replicationtest.Settle(t, p.Target, p.Source)
		for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
			old.RequireOn(t, s)
			fresh.RequireOn(t, s)
		}
		t.Logf("no side accepted writes for %s", w.longestClosed)
	})
}

func TestGuardReleasesTheSourceWhenTheControllerIsGone(t *testing.T) { // I3
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		const budget = 3 * time.Second
		w := startSideWatch(t, p)
		g := newGuard(t, p, budget)
		require.NoError(t, Arm(g).Op.Apply(t.Context()))
		require.NoError(t, fence.Set(p.Source, fence.Options{Wait: time.Second}).Op.Apply(t.Context()))
		// The controller dies here.
		require.Eventually(t, func() bool { return isOpen(t, p.Source) }, 20*time.Second, 20*time.Millisecond)
		w.require(t, budget+3*time.Second)

		err := Handover(g).Op.Apply(t.Context())
		require.ErrorIs(t, err, errReleased)
		require.False(t, isOpen(t, p.Target))

		// A controller that was suspended fences late: the guard is still there, and may open
		// it, or take what keeps the fence, before the fence is proven.
		if err := fence.Set(p.Source, fence.Options{Wait: time.Second}).Op.Apply(t.Context()); err != nil {
			require.Regexp(t, "a write was let in|would not be in force after a restart|read back otherwise", err.Error())
		}
		require.Eventually(t, func() bool { return isOpen(t, p.Source) }, 20*time.Second, 20*time.Millisecond)
		require.Eventually(t, func() bool { // it opens first, and tidies up after that
			state, err := fence.Read(t.Context(), p.Source)
			return err == nil && !state.Kept
		}, 20*time.Second, 20*time.Millisecond)
		p.SourceInstance.Restart()
		require.True(t, isOpen(t, p.Source), "the kept fence is gone, too")

		// The next run starts over.
		g.Budget = 30 * time.Second
		state, err := Arm(g).Op.Check(t.Context())
		require.NoError(t, err)
		require.False(t, state.Done)
		require.NoError(t, Arm(g).Op.Apply(t.Context()))
		require.NoError(t, fence.Set(p.Source, fence.Options{Wait: time.Second}).Op.Apply(t.Context()))
		require.NoError(t, Handover(g).Op.Apply(t.Context()))
		require.NoError(t, Handover(g).Op.Verify(t.Context()))
	})
}

func TestGuardCompletesTheHandoverWhenTheControllerIsGone(t *testing.T) { // I3
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		g := newGuard(t, p, 3*time.Second)
		w := startSideWatch(t, p)
		require.NoError(t, Arm(g).Op.Apply(t.Context()))
		require.NoError(t, fence.Set(p.Source, fence.Options{Wait: time.Second}).Op.Apply(t.Context()))
		require.NoError(t, handoverOp{g}.drain(t.Context()))
		require.NoError(t, handoverOp{g}.decide(t.Context()))
		// The controller dies between the decision and its unfence.
		require.Eventually(t, func() bool { return isOpen(t, p.Target) }, 20*time.Second, 20*time.Millisecond)
		require.False(t, isOpen(t, p.Source))
		w.require(t, 6*time.Second)

		// The resumed run finds the switch done and removes the guard.
		state, err := Handover(g).Op.Check(t.Context())
		require.NoError(t, err)
		require.False(t, state.Done, "there is a guard to remove")
		require.NoError(t, Handover(g).Op.Apply(t.Context()))
		require.NoError(t, Handover(g).Op.Verify(t.Context()))
		p.TargetInstance.Restart()
		require.True(t, isOpen(t, p.Target))
	})
}

func TestGuardOpensTheTargetWhenTheUndoDies(t *testing.T) { // I2, I3
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		g := newGuard(t, p, 3*time.Second)
		w := startSideWatch(t, p)
		require.NoError(t, Arm(g).Op.Apply(t.Context()))
		require.NoError(t, fence.Set(p.Source, fence.Options{Wait: time.Second}).Op.Apply(t.Context()))
		require.NoError(t, Handover(g).Op.Apply(t.Context()))
		p.TargetInstance.Exec("INSERT INTO app.notes (text) VALUES ('taken by the target')")

		// The undo of the completed switch dies when it has fenced the target again.
		h := handoverOp{g}
		now, err := h.observe(t.Context(), fence.ReadRunning)
		require.NoError(t, err)
		require.NoError(t, h.revert(t.Context(), now))
		require.NoError(t, fence.Close(t.Context(), p.Target))
		require.Eventually(t, func() bool { return isOpen(t, p.Target) }, 20*time.Second, 20*time.Millisecond)
		require.False(t, isOpen(t, p.Source))
		w.require(t, 6*time.Second)
		require.ErrorContains(t, Handover(g).Op.Undo(t.Context(), nil), "the guard has handed over")
		require.True(t, isOpen(t, p.Target))

		// The next run completes the switch, which can then be taken back as a whole.
		g.Budget = time.Minute
		require.NoError(t, Handover(g).Op.Apply(t.Context()))
		require.NoError(t, Handover(g).Op.Undo(t.Context(), nil))
		require.NoError(t, fence.Lift(p.Source).Op.Apply(t.Context()))
		require.NoError(t, Arm(g).Op.Undo(t.Context(), nil))
		require.Equal(t, "1", p.SourceInstance.Value("SELECT COUNT(*) FROM app.notes"), "I1: what the target took is on the source")
		require.False(t, isOpen(t, p.Target))
		require.Empty(t, guardProcesses(t, g))
	})
}

func TestSectionIsUndoneAfterALostRace(t *testing.T) { // I2, I3
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		g := newGuard(t, p, 2*time.Second)
		arm, fence, over := Arm(g).Op, fence.Set(p.Source, fence.Options{Wait: time.Second}).Op, Handover(g).Op
		before, err := fence.Check(t.Context())
		require.NoError(t, err)
		require.NoError(t, arm.Apply(t.Context()))
		require.NoError(t, fence.Apply(t.Context()))
		require.Eventually(t, func() bool { return isOpen(t, p.Source) }, 20*time.Second, 20*time.Millisecond)
		require.ErrorIs(t, over.Apply(t.Context()), errReleased)
		require.NoError(t, over.Undo(t.Context(), nil))
		require.NoError(t, fence.Undo(t.Context(), before.Before))
		require.NoError(t, arm.Undo(t.Context(), nil))
		require.True(t, isOpen(t, p.Source))
		require.False(t, isOpen(t, p.Target))
		require.NoDirExists(t, g.folder())
		require.Empty(t, guardProcesses(t, g))
	})
}

func isOpen(t *testing.T, s *replication.Server) bool {
	t.Helper()
	state, err := fence.ReadRunning(t.Context(), s)
	require.NoError(t, err)
	return state.Open
}

func TestGuardNamesTheLoginThatFails(t *testing.T) {
	p := guardedPair(t, servertest.MariaDB)
	g := newGuard(t, p, time.Minute)
	wrong := g
	wrong.To = replicationtest.ServerAt(t, p.TargetInstance, replication.Target, p.Target.Host(), replication.Endpoint{Host: "127.0.0.1", Port: 1})
	err := Arm(wrong).Op.Apply(t.Context())
	require.ErrorContains(t, err, fmt.Sprintf("cannot log in to %s at 127.0.0.1:1", p.Target.Name()))
	require.NoError(t, Arm(g).Op.Apply(t.Context()))
	require.NoError(t, Arm(g).Op.Undo(t.Context(), nil))
}

package endtoend

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab"
	"github.com/dcmigrate/migrate/lab/traffic"
	"github.com/dcmigrate/migrate/plan"
)

// TestKillAtEveryEvent moves the site there, back and there again, and migrate
// is killed with SIGKILL at every journal event of apply, cutover, rollback and
// finish; the same command, run again, always finishes, and nothing is lost (I1, I2).
func TestKillAtEveryEvent(t *testing.T) {
	s := open(t, "fence", 0)
	s.run("plan")
	s.killed(60, "apply")
	mutations := len(s.lab.DO.Mutations()) + len(s.lab.CF.Mutations())
	s.run("apply")
	require.Equal(t, mutations, len(s.lab.DO.Mutations())+len(s.lab.CF.Mutations()), "a second apply changes nothing")
	require.Len(t, s.lab.DO.Machines(), 2, "no droplet was made twice")
	s.served(traffic.OldSite)

	s.run("verify")
	s.run("cutover", "--dry-run")
	s.killed(40, "cutover")
	s.served(traffic.NewSite)
	s.killed(30, "rollback")
	s.served(traffic.OldSite)
	s.run("cutover", "--dry-run")
	start := time.Now()
	s.run("cutover")
	s.served(traffic.NewSite)
	require.LessOrEqual(t, s.traffic.Log().Overlap(traffic.OldSite, traffic.NewSite, start, time.Now()), time.Duration(0), "I2: one side at a time")
	sum := s.proven()
	for cause := range sum.Errors {
		require.Contains(t, cause, "503 read-only", "way fence: writes fail at the fence, and nothing else does")
	}

	s.run("finish", "--dry-run")
	s.killed(10, "finish")
	require.Contains(t, s.run("status"), "finished")
	out, code := s.exit("rollback")
	require.Equal(t, 5, code, "after finish there is no way back: %s", out)
}

// TestKillAtEveryEventOfWayDual is the same for the switches of way dual, where
// no request may fail; then a cutover that was killed before its flips is taken
// back, and so is all of apply, again with kills.
func TestKillAtEveryEventOfWayDual(t *testing.T) {
	s := open(t, "dual", brief)
	s.run("plan")
	s.run("apply")
	s.run("verify")
	s.run("cutover", "--dry-run")
	s.killed(40, "cutover")
	s.served(traffic.NewSite)
	s.killed(30, "rollback")
	s.served(traffic.OldSite)

	s.run("cutover", "--dry-run")
	killed, err := lab.KillAt(t.Context(), func(ctx context.Context) *exec.Cmd { return s.command(ctx, "cutover") }, s.journal(),
		func(e plan.Event) bool {
			return e.Type == plan.StepVerified && e.Kind == "cutover" && e.Step.Stage == "unfence"
		}, 0)
	require.NoError(t, err)
	require.True(t, killed)
	s.killed(5, "rollback")
	s.served(traffic.OldSite)
	sum := s.proven()
	require.Zero(t, sum.Failed, "way dual: no request fails: %v", sum.Errors)
	s.killed(20, "rollback", "--all")
	require.Empty(t, s.lab.DO.Machines())
}

// TestTheDatabaseMachineRestartsInTheSection pulls the plug of the source's
// database while it is being fenced, and boots it again. It comes back fenced,
// and its guard is gone: the run insists on taking the section back (I3), and
// nothing that was acknowledged is lost (I1).
func TestTheDatabaseMachineRestartsInTheSection(t *testing.T) {
	s := open(t, "fence", brief)
	require.NoError(t, s.lab.DB.Exec(t.Context(), `exec mariadb -e "CREATE USER slow@localhost; GRANT ALL ON blog.* TO slow@localhost"`, nil, nil))
	s.run("plan")
	s.run("apply")
	s.run("verify")
	s.run("cutover", "--dry-run")
	open := make(chan error, 1) // a write transaction that the fence waits for
	go func() {
		open <- s.lab.DB.Exec(t.Context(), `exec mariadb -u slow blog -e "BEGIN; DELETE FROM comments LIMIT 1; SELECT SLEEP(60)"`, nil, nil)
	}()
	said := filepath.Join(s.dir, "said")
	out, err := os.Create(said)
	require.NoError(t, err)
	cutover := s.command(t.Context(), "cutover")
	cutover.Stdout, cutover.Stderr = out, out
	require.NoError(t, cutover.Start())
	t.Cleanup(func() {
		text, err := os.ReadFile(said)
		t.Logf("cutover said: %s %v", text, err)
	})
	require.Eventually(t, func() bool {
		events, err := plan.ReadJournal(s.journal())
		return err == nil && slices.ContainsFunc(events, func(e plan.Event) bool {
			return e.Type == plan.StepStarted && e.Kind == "cutover" && e.Step.Stage == "fence"
		})
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, s.lab.Crash(t.Context(), s.lab.DB))
	require.Error(t, <-open)
	require.Error(t, cutover.Wait())
	text, err := os.ReadFile(said)
	require.NoError(t, err)
	require.Contains(t, string(text), "the critical section was undone")
	s.served(traffic.OldSite)

	s.run("cutover", "--dry-run")
	s.run("cutover")
	s.served(traffic.NewSite)
	s.proven()
}

// TestTheOperatorIsGone kills migrate at moments of the critical section and
// starts it no more: within the budget one side takes writes again (I3), and
// only one (I2). A rollback then brings everything back whatever the cutover had
// come to; in every second round it comes before the guard has acted. At the end
// nothing is lost (I1).
func TestTheOperatorIsGone(t *testing.T) {
	const budget = 4 * time.Second
	s := open(t, "fence", brief)
	require.NoError(t, lab.Apply(filepath.Join(s.dir, "migration.yaml"), []lab.Edit{{Old: "budget: 10s", New: "budget: " + budget.String()}}))
	s.run("plan")
	s.run("apply")
	s.run("verify")
	for i, round := range []struct {
		stage string
		after time.Duration
	}{
		{"fence", 0},
		{"handover", 0},
		{"handover", 100 * time.Millisecond},
		{"handover", 200 * time.Millisecond},
		{"handover", 400 * time.Millisecond},
		{"handover", 150 * time.Millisecond},
	} {
		s.run("cutover", "--dry-run")
		fenced := s.watchWriters()
		killed, err := lab.KillAt(t.Context(), func(ctx context.Context) *exec.Cmd { return s.command(ctx, "cutover") }, s.journal(),
			func(e plan.Event) bool {
				return e.Type == plan.StepStarted && e.Kind == "cutover" && e.Step.Stage == round.stage
			}, round.after)
		require.NoError(t, err)
		died := time.Now()
		t.Logf("round %d: cutover, %s after %s started: killed %t", i, round.after, round.stage, killed)
		if i%2 == 0 {
			<-time.After(time.Until(died.Add(budget + time.Second)))
		}
		s.run("rollback")
		s.served(traffic.OldSite)
		<-time.After(time.Until(died.Add(budget + time.Second))) // no guard that was left opens anything
		s.served(traffic.OldSite)
		require.LessOrEqual(t, fenced(), budget+time.Second, "I3")
	}
	s.proven()
}

// watchWriters asks both databases all the time which of them take writes, until
// its result is called: the longest time for which none did. Two at a time fail
// the test (I2).
func (s *site) watchWriters() (longest func() time.Duration) {
	var most time.Duration
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		last := time.Now() // when a side was seen to take writes
		for {
			asked := time.Now()
			open, err := s.lab.Writers(s.t.Context())
			switch {
			case !assert.NoError(s.t, err) || !assert.LessOrEqual(s.t, len(open), 1, "I2: one side at a time"):
				return
			case len(open) == 1:
				most, last = max(most, asked.Sub(last)), time.Now()
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		<-ended
		s.t.Logf("no side took writes for at most %s", most.Round(time.Millisecond))
		return most
	}
}

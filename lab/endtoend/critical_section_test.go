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

// TestDatabaseHostRestartsInCriticalSection cuts the power of the source's database host
// while its server is being fenced, and boots it again. The server comes back fenced and
// without its guard: the run undoes the critical section (I3), and no acknowledged write
// is lost (I1).
func TestDatabaseHostRestartsInCriticalSection(t *testing.T) {
	s := openSite(t, "fence", shortTTL)
	require.NoError(t, s.lab.DB.Exec(t.Context(), `exec mariadb -e "CREATE USER slow@localhost; GRANT ALL ON blog.* TO slow@localhost"`, nil, nil))
	s.run("plan")
	s.run("apply")
	s.run("verify")
	s.run("cutover", "--dry-run")
	transaction := make(chan error, 1) // a write transaction that the fence waits for
	go func() {
		transaction <- s.lab.DB.Exec(t.Context(), `exec mariadb -u slow blog -e "BEGIN; DELETE FROM comments LIMIT 1; SELECT SLEEP(60)"`, nil, nil)
	}()
	outputFile := filepath.Join(s.dir, "output.log")
	out, err := os.Create(outputFile)
	require.NoError(t, err)
	cutover := s.command(t.Context(), "cutover")
	cutover.Stdout, cutover.Stderr = out, out
	require.NoError(t, cutover.Start())
	t.Cleanup(func() {
		text, err := os.ReadFile(outputFile)
		t.Logf("cutover printed: %s %v", text, err)
	})
	require.Eventually(t, func() bool {
		events, err := plan.ReadJournal(s.journal())
		return err == nil && slices.ContainsFunc(events, func(e plan.Event) bool {
			return e.Type == plan.StepStarted && e.Kind == "cutover" && e.Step.Stage == "fence"
		})
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, s.lab.Crash(t.Context(), s.lab.DB))
	require.Error(t, <-transaction)
	require.Error(t, cutover.Wait())
	text, err := os.ReadFile(outputFile)
	require.NoError(t, err)
	require.Contains(t, string(text), "the critical section was undone")
	s.requireServedBy(traffic.OldSite)

	s.run("cutover", "--dry-run")
	s.run("cutover")
	s.requireServedBy(traffic.NewSite)
	s.requireNothingLost()
}

// TestControllerDiesInCriticalSection kills migrate at moments of the critical section and
// does not resume it. Within the budget one side accepts writes again (I3), and only one
// (I2). A rollback then restores everything, however far the cutover got; in every second
// round it runs before the guard has acted. At the end nothing is lost (I1).
func TestControllerDiesInCriticalSection(t *testing.T) {
	const budget = 4 * time.Second
	s := openSite(t, "fence", shortTTL)
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
		longestFence := s.watchWriters()
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
		s.requireServedBy(traffic.OldSite)
		<-time.After(time.Until(died.Add(budget + time.Second))) // a leftover guard must not unfence anything
		s.requireServedBy(traffic.OldSite)
		require.LessOrEqual(t, longestFence(), budget+time.Second, "I3")
	}
	s.requireNothingLost()
}

// watchWriters polls which of the two databases accept writes until its result is called,
// which returns the longest time for which none did. Two at the same time fail the test
// (I2).
func (s *site) watchWriters() (longest func() time.Duration) {
	var longestGap time.Duration
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		lastOpen := time.Now() // when a side last accepted writes
		for {
			asked := time.Now()
			writable, err := s.lab.Writers(s.t.Context())
			switch {
			case !assert.NoError(s.t, err) || !assert.LessOrEqual(s.t, len(writable), 1, "I2: one side at a time"):
				return
			case len(writable) == 1:
				longestGap, lastOpen = max(longestGap, asked.Sub(lastOpen)), time.Now()
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
		s.t.Logf("no side took writes for at most %s", longestGap.Round(time.Millisecond))
		return longestGap
	}
}

package endtoend

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab"
	"github.com/dcmigrate/migrate/lab/traffic"
	"github.com/dcmigrate/migrate/plan"
)

// TestKillAtEveryEvent moves the site there, back and there again. It kills migrate with
// SIGKILL at every journal event of apply, cutover, rollback and finish. The same command,
// run again, always finishes, and nothing is lost (I1, I2).
func TestKillAtEveryEvent(t *testing.T) {
	s := openSite(t, "fence", 0)
	s.run("plan")
	s.runWithKills(60, "apply")
	mutations := len(s.lab.DO.Mutations()) + len(s.lab.CF.Mutations())
	s.run("apply")
	require.Equal(t, mutations, len(s.lab.DO.Mutations())+len(s.lab.CF.Mutations()), "a second apply changes nothing")
	require.Len(t, s.lab.DO.Machines(), 2, "no droplet was made twice")
	s.requireServedBy(traffic.OldSite)
	early, err := os.ReadFile(s.journal())
	require.NoError(t, err)

	s.run("verify")
	s.run("cutover", "--dry-run")
	s.runWithKills(40, "cutover")
	s.requireServedBy(traffic.NewSite)
	s.requireNothingIsTakenBack(early)
	s.runWithKills(30, "rollback")
	s.requireServedBy(traffic.OldSite)
	s.run("cutover", "--dry-run")
	start := time.Now()
	s.run("cutover")
	s.requireServedBy(traffic.NewSite)
	require.LessOrEqual(t, s.traffic.Log().Overlap(traffic.OldSite, traffic.NewSite, start, time.Now()), time.Duration(0), "I2: one side at a time")
	sum := s.requireNothingLost()
	for cause := range sum.Errors {
		require.Contains(t, cause, "503 read-only", "way fence: writes fail at the fence, and nothing else does")
	}

	s.run("finish", "--dry-run")
	s.runWithKills(10, "finish")
	require.Contains(t, s.run("status"), "finished")
	out, code := s.runForExitCode("rollback")
	require.Equal(t, 5, code, "after finish there is no way back: %s", out)
}

// requireNothingIsTakenBack requires that rollback --all takes nothing away from a target
// that serves, though an old copy of the journal says that it does not yet (I10).
func (s *site) requireNothingIsTakenBack(early []byte) {
	s.t.Helper()
	now, err := os.ReadFile(s.journal())
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(s.journal(), early, 0o600))
	mutations := len(s.lab.DO.Mutations()) + len(s.lab.CF.Mutations())
	for _, args := range [][]string{{"rollback", "--all", "--dry-run"}, {"rollback", "--all"}} {
		out, code := s.runForExitCode(args...)
		require.NotZero(s.t, code, out)
		require.Contains(s.t, out, "DNS leads clients to the new hosts: ")
	}
	require.Equal(s.t, mutations, len(s.lab.DO.Mutations())+len(s.lab.CF.Mutations()))
	s.requireServedBy(traffic.NewSite)
	require.NoError(s.t, os.WriteFile(s.journal(), now, 0o600))
}

// TestKillAtEveryEventOfWayDual does the same for cutover and rollback of way dual, where
// no request may fail. Then it rolls back a cutover that was killed before its flips, and
// all of apply, again with kills.
func TestKillAtEveryEventOfWayDual(t *testing.T) {
	s := openSite(t, "dual", shortTTL)
	s.run("plan")
	s.run("apply")
	s.run("verify")
	s.run("cutover", "--dry-run")
	s.runWithKills(40, "cutover")
	s.requireServedBy(traffic.NewSite)
	s.runWithKills(30, "rollback")
	s.requireServedBy(traffic.OldSite)

	s.run("cutover", "--dry-run")
	killed, err := lab.KillAt(t.Context(), func(ctx context.Context) *exec.Cmd { return s.command(ctx, "cutover") }, s.journal(),
		func(e plan.Event) bool {
			return e.Type == plan.StepVerified && e.Kind == "cutover" && e.Step.Stage == "unfence"
		}, 0)
	require.NoError(t, err)
	require.True(t, killed)
	s.runWithKills(5, "rollback")
	s.requireServedBy(traffic.OldSite)
	sum := s.requireNothingLost()
	require.Zero(t, sum.Failed, "way dual: no request fails: %v", sum.Errors)
	s.runWithKills(20, "rollback", "--all")
	require.Empty(t, s.lab.DO.Machines())
}

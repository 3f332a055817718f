package plan_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
)

// failVerify is a step whose proof fails, for a moment.
type failVerify struct{ *fileOp }

func (failVerify) Verify(context.Context) error { return errors.New("connection lost") }

// halfWay leaves a run that completed the critical section and failed after it.
func halfWay(t *testing.T) (string, *plan.Journal) {
	t.Helper()
	dir := newWorld(t)
	j := open(t, dir)
	p := world(dir)
	p.Stages[4].Steps[0].Op.(*fileOp).err = errors.New("cloudflare answers 500")
	require.Error(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}))
	require.Equal(t, "new", content(dir, "e"), "the section was completed")
	return dir, j
}

func TestCompletedSectionIsNeverUndoneByALaterRun(t *testing.T) {
	for stage := 2; stage <= 3; stage++ {
		dir, j := halfWay(t)
		p := world(dir)
		p.Stages[stage].Steps[0].Op = failVerify{p.Stages[stage].Steps[0].Op.(*fileOp)}
		require.ErrorContains(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}), "connection lost")
		for _, name := range []string{"c", "d", "e"} {
			require.Equal(t, "new", content(dir, name), "%s after a failure in stage %d", name, stage)
		}
	}
}

func TestSignalDoesNotUndoACompletedSection(t *testing.T) {
	dir, j := halfWay(t)
	stop := make(chan struct{})
	signal := sync.OnceFunc(func() { close(stop) })
	j.Subscribe(func(e plan.Event) {
		if e.Step == "cutover/fence/c" {
			signal()
		}
	})
	require.ErrorIs(t, (&plan.Runner{Journal: j, Stop: stop}).Run(t.Context(), world(dir), plan.RunOptions{}), plan.ErrStopped)
	require.Equal(t, "new", content(dir, "c"))
	require.Equal(t, "new", content(dir, "d"))
}

// TestFailureUndoesTheWholeSectionOfAnEarlierRun: a run was killed inside the
// section; the next one fails in the section's first stage.
func TestFailureUndoesTheWholeSectionOfAnEarlierRun(t *testing.T) {
	dir := newWorld(t)
	j := open(t, dir)
	for _, e := range []plan.Event{
		{Type: plan.RunStarted, Kind: "cutover", Run: "cutover-1", Digest: world(dir).Digest()},
		{Type: plan.StepStarted, Kind: "cutover", Step: "cutover/fence/c", Before: []byte(`""`)},
		{Type: plan.StepVerified, Kind: "cutover", Step: "cutover/fence/c"},
		{Type: plan.StepStarted, Kind: "cutover", Step: "cutover/unfence/d", Before: []byte(`""`)},
	} {
		require.NoError(t, j.Append(e))
	}
	for _, name := range []string{"c", "d"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("new"), 0o600))
	}
	p := world(dir)
	p.Stages[2].Steps[0].Op = failVerify{p.Stages[2].Steps[0].Op.(*fileOp)}
	require.ErrorContains(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}), "the critical section was undone")
	require.Equal(t, "", content(dir, "c"))
	require.Equal(t, "", content(dir, "d"), "the whole section, not only up to the failure")
}

func TestFirstSignalAfterTheSectionWaitsForStagesThatMustFollow(t *testing.T) {
	dir := newWorld(t)
	j := open(t, dir)
	p := world(dir)
	p.Stages[4].NoStop = true
	p.Stages = append(p.Stages, plan.Stage{Name: "watch", Steps: []plan.Step{step(dir, "w")}})
	stop := make(chan struct{})
	signal := sync.OnceFunc(func() { close(stop) })
	j.Subscribe(func(e plan.Event) {
		if e.Step == "cutover/unfence/e" && e.Type == plan.StepVerified {
			signal()
		}
	})
	require.ErrorIs(t, (&plan.Runner{Journal: j, Stop: stop}).Run(t.Context(), p, plan.RunOptions{}), plan.ErrStopped)
	require.Equal(t, "new", content(dir, "f"), "DNS follows the writers")
	require.Equal(t, "", content(dir, "w"), "then it stops")
}

// TestANewRunAsksGatesAnew: a gate that held in an earlier run says nothing.
func TestANewRunAsksGatesAnew(t *testing.T) {
	dir := newWorld(t)
	j := open(t, dir)
	twoGates := func() plan.Plan {
		p := world(dir)
		early := plan.Step{Name: "verified", Gate: true, Summary: "verified", Op: &gate{fileOp: fileOp{dir: dir, name: "verified", want: "yes"}}}
		p.Stages = append([]plan.Stage{{Name: "early", Steps: []plan.Step{early}}}, p.Stages...)
		return p
	}
	set := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	set("verified", "yes")
	set("ready", "no")
	require.ErrorContains(t, (&plan.Runner{Journal: j}).Run(t.Context(), twoGates(), plan.RunOptions{}), "gates/ready")
	set("verified", "no")
	set("ready", "yes")
	require.ErrorContains(t, (&plan.Runner{Journal: j}).Run(t.Context(), twoGates(), plan.RunOptions{}), "early/verified")
	require.Empty(t, content(dir, "log"))
}

func TestFinalPlanIsForgottenSoThatItRunsAnew(t *testing.T) {
	dir := newWorld(t)
	j := open(t, dir)
	back := plan.Plan{Site: "test", Kind: "rollback", Reverts: "cutover", Final: true, Stages: []plan.Stage{{Name: "back", Steps: []plan.Step{step(dir, "z")}}}}
	r := &plan.Runner{Journal: j}
	require.NoError(t, r.Run(t.Context(), back, plan.RunOptions{}))
	h := j.History()
	require.True(t, h.InForce("rollback"))
	require.False(t, h.Begun("rollback"))
	require.NoError(t, r.Run(t.Context(), world(dir), plan.RunOptions{}))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "z"), []byte("again"), 0o600))
	require.NoError(t, r.Run(t.Context(), back, plan.RunOptions{}))
	require.Equal(t, "new", content(dir, "z"))
	require.Equal(t, "rollback-2", j.History().LastRun("rollback").ID)
}

func TestUndoRefusesAPlanThatLacksWhatIsInForce(t *testing.T) {
	dir := newWorld(t)
	j := open(t, dir)
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), world(dir), plan.RunOptions{}))
	less := world(dir)
	less.Stages = less.Stages[:3]
	var stale *plan.StaleError
	err := (&plan.Runner{Journal: j}).Undo(t.Context(), less)
	require.ErrorAs(t, err, &stale)
	require.ErrorContains(t, err, "cutover/unfence/d")
	require.Equal(t, "new", content(dir, "c"), "nothing was taken back")
}

func TestUnknownStageToStopAfterIsRefused(t *testing.T) {
	dir := newWorld(t)
	err := (&plan.Runner{Journal: open(t, dir)}).Run(t.Context(), world(dir), plan.RunOptions{To: "flipp"})
	require.ErrorContains(t, err, "cutover has no stage flipp")
	require.Contains(t, plan.Hint(err), "flip")
	require.Empty(t, content(dir, "log"))
}

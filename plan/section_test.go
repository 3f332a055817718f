package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// failVerify is a step whose proof fails, for a moment.
type failVerify struct{ *fileOp }

func (failVerify) Verify(context.Context) error { return errors.New("connection lost") }

// failedAfterSection leaves a run that completed the critical section and failed after it.
func failedAfterSection(t *testing.T) (string, *plan.Journal) {
	t.Helper()
	dir := newSample(t)
	j := open(t, dir)
	p := samplePlan(dir)
	p.Stages[4].Steps[0].Op.(*fileOp).err = errors.New("cloudflare answers 500")
	require.Error(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}))
	require.Equal(t, "new", content(dir, "e"), "the section was completed")
	return dir, j
}

func TestCompletedSectionIsNeverUndoneByALaterRun(t *testing.T) {
	for stage := 2; stage <= 3; stage++ {
		dir, j := failedAfterSection(t)
		p := samplePlan(dir)
		p.Stages[stage].Steps[0].Op = failVerify{p.Stages[stage].Steps[0].Op.(*fileOp)}
		require.ErrorContains(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}), "connection lost")
		for _, name := range []string{"c", "d", "e"} {
			require.Equal(t, "new", content(dir, name), "%s after a failure in stage %d", name, stage)
		}
	}
}

func TestSignalDoesNotUndoACompletedSection(t *testing.T) {
	dir, j := failedAfterSection(t)
	stop := make(chan struct{})
	signal := sync.OnceFunc(func() { close(stop) })
	j.Subscribe(func(e plan.Event) {
		if e.Step == sampleKey("fence", "c") {
			signal()
		}
	})
	require.ErrorIs(t, (&plan.Runner{Journal: j, Stop: stop}).Run(t.Context(), samplePlan(dir), plan.RunOptions{}), plan.ErrStopped)
	require.Equal(t, "new", content(dir, "c"))
	require.Equal(t, "new", content(dir, "d"))
}

// TestFailureUndoesTheWholeSectionOfAnEarlierRun: a run was killed inside the
// section; the next one fails in the section's first stage.
func TestFailureUndoesTheWholeSectionOfAnEarlierRun(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	for _, e := range []plan.Event{
		{Type: plan.RunStarted, Kind: "cutover", Run: "cutover-1", Digest: samplePlan(dir).Digest()},
		{Type: plan.StepStarted, Kind: "cutover", Step: sampleKey("fence", "c"), Before: []byte(`""`)},
		{Type: plan.StepVerified, Kind: "cutover", Step: sampleKey("fence", "c")},
		{Type: plan.StepStarted, Kind: "cutover", Step: sampleKey("unfence", "d"), Before: []byte(`""`)},
	} {
		require.NoError(t, j.Append(e))
	}
	for _, name := range []string{"c", "d"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("new"), 0o600))
	}
	p := samplePlan(dir)
	p.Stages[2].Steps[0].Op = failVerify{p.Stages[2].Steps[0].Op.(*fileOp)}
	require.ErrorContains(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}), "the critical section was undone")
	require.Equal(t, "", content(dir, "c"))
	require.Equal(t, "", content(dir, "d"), "the whole section, not only up to the failure")
}

func TestFirstSignalAfterTheSectionWaitsForStagesThatMustFollow(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	p := samplePlan(dir)
	p.Stages[4].NoStop = true
	p.Stages = append(p.Stages, plan.Stage{Name: "watch", Steps: []plan.Step{step(dir, "w")}})
	stop := make(chan struct{})
	signal := sync.OnceFunc(func() { close(stop) })
	j.Subscribe(func(e plan.Event) {
		if e.Step == sampleKey("unfence", "e") && e.Type == plan.StepVerified {
			signal()
		}
	})
	require.ErrorIs(t, (&plan.Runner{Journal: j, Stop: stop}).Run(t.Context(), p, plan.RunOptions{}), plan.ErrStopped)
	require.Equal(t, "new", content(dir, "f"), "DNS follows the writers")
	require.Equal(t, "", content(dir, "w"), "then it stops")
}

// TestANewRunAsksGatesAnew: a gate that held in an earlier run says nothing.
func TestANewRunAsksGatesAnew(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	twoGates := func() plan.Plan {
		p := samplePlan(dir)
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
	dir := newSample(t)
	j := open(t, dir)
	back := plan.Plan{Site: "test", Kind: "rollback", Reverts: "cutover", Final: true, Stages: []plan.Stage{{Name: "back", Steps: []plan.Step{step(dir, "z")}}}}
	r := &plan.Runner{Journal: j}
	require.NoError(t, r.Run(t.Context(), back, plan.RunOptions{}))
	h := j.History()
	require.True(t, h.InForce("rollback"))
	require.False(t, h.Begun("rollback"))
	require.NoError(t, r.Run(t.Context(), samplePlan(dir), plan.RunOptions{}))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "z"), []byte("again"), 0o600))
	require.NoError(t, r.Run(t.Context(), back, plan.RunOptions{}))
	require.Equal(t, "new", content(dir, "z"))
	require.Equal(t, "rollback-2", j.History().LastRun("rollback").ID)
}

func TestUndoRefusesAPlanThatLacksWhatIsInForce(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), samplePlan(dir), plan.RunOptions{}))
	less := samplePlan(dir)
	less.Stages = less.Stages[:3]
	var stale *plan.StaleError
	err := (&plan.Runner{Journal: j}).Undo(t.Context(), less)
	require.ErrorAs(t, err, &stale)
	require.ErrorContains(t, err, "cutover/unfence/d")
	require.Equal(t, "new", content(dir, "c"), "nothing was taken back")
}

func TestUnknownStageToStopAfterIsRefused(t *testing.T) {
	dir := newSample(t)
	err := (&plan.Runner{Journal: open(t, dir)}).Run(t.Context(), samplePlan(dir), plan.RunOptions{To: "flipp"})
	require.ErrorContains(t, err, "cutover has no stage flipp")
	require.Contains(t, report.Hint(err), "flip")
	require.Empty(t, content(dir, "log"))
}

// TestAGateIsAskedAgainUntilWhatItGuardsIsDone: the flip failed and was not
// made; by the next run its gate does not hold any more (I4).
func TestAGateIsAskedAgainUntilWhatItGuardsIsDone(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	p := samplePlan(dir)
	healthy := &gate{fileOp: fileOp{dir: dir, name: "ready", want: "yes"}}
	p.Stages = slices.Insert(p.Stages, 4, plan.Stage{Name: "healthy", Steps: []plan.Step{{Name: "healthy", Gate: true, Op: healthy}}})
	flip := p.Stages[5].Steps[0].Op.(*fileOp)
	flip.err = errors.New("the token has expired")
	require.ErrorContains(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}), "expired")

	flip.err = nil
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ready"), []byte("no"), 0o600))
	require.ErrorContains(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}), "healthy")
	require.Empty(t, content(dir, "f"))
	require.Equal(t, "new", content(dir, "c"), "the section stays")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "ready"), []byte("yes"), 0o600))
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}))
	require.Equal(t, "new", content(dir, "f"))
}

// TestWhatComesAfterTheSectionMayBeReviewedAnew: before the section is through
// another plan is refused, after it only what was not begun may differ.
func TestWhatComesAfterTheSectionMayBeReviewedAnew(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	later := func(names ...string) plan.Plan {
		p := samplePlan(dir)
		for _, name := range names {
			p.Stages = append(p.Stages, plan.Stage{Name: "flip-" + name, Steps: []plan.Step{step(dir, name)}})
		}
		return p
	}
	run := func(p plan.Plan, to string) error {
		review, err := plan.Survey(t.Context(), p, j.Now())
		require.NoError(t, err)
		return (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{Reviewed: &review, To: to})
	}
	var stale *plan.StaleError
	require.ErrorIs(t, run(later("g"), "fence"), plan.ErrStopped)
	require.ErrorAs(t, run(later("g", "h"), ""), &stale)
	require.ErrorIs(t, run(later("g"), "flip"), plan.ErrStopped)
	begun := later("g", "h")
	begun.Stages = slices.Delete(begun.Stages, 4, 5)
	require.ErrorAs(t, run(begun, ""), &stale, "what was begun must be in it")
	require.ErrorIs(t, run(later("h", "g"), "flip-h"), plan.ErrStopped)
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), later("h", "g"), plan.RunOptions{}))
	require.Equal(t, "new", content(dir, "g"))
	require.Len(t, j.History().Runs, 1, "it is the same run")
}

// failingUndo is a step whose Undo fails so many times.
type failingUndo struct {
	*fileOp
	fails int
	err   error
	calls int
}

func (s *failingUndo) Undo(ctx context.Context, before json.RawMessage) error {
	s.calls++
	if s.fails > 0 {
		s.fails--
		return s.err
	}
	return s.fileOp.Undo(ctx, before)
}

// TestUndoOfTheSectionIsRetriedUntilItIsDone (I3): the host of the side that is left restarts
// just then; and a full disk under the journal holds nothing up.
func TestUndoOfTheSectionIsRetriedUntilItIsDone(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		fails int
		calls int
		full  bool
	}{
		"a host that restarts":      {err: errors.New("connection refused"), fails: 9, calls: 10},
		"something that is decided": {err: report.Permanent(errors.New("decided")), fails: 9, calls: 1},
		"a full disk":               {full: true, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := newSample(t)
				j := open(t, dir)
				p := samplePlan(dir)
				fence := &failingUndo{fileOp: p.Stages[2].Steps[0].Op.(*fileOp), fails: c.fails, err: c.err}
				p.Stages[2].Steps[0].Op = fence
				p.Stages[3].Steps[0].Op.(*fileOp).err = errors.New("no answer")
				if c.full {
					j.Subscribe(func(e plan.Event) {
						if e.Step == sampleKey("unfence", "d") && e.Type == plan.StepStarted {
							require.NoError(t, j.Close()) // every later write fails
						}
					})
				}
				err := (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{})
				require.Equal(t, c.calls, fence.calls)
				if c.calls > c.fails {
					require.Empty(t, content(dir, "c"))
					require.ErrorContains(t, err, "was undone")
					return
				}
				require.ErrorContains(t, err, "decided")
				require.Contains(t, report.Hint(err), "migrate rollback")
			})
		})
	}
}

package plan_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
)

func TestExerciseFileStep(t *testing.T) {
	plantest.Exercise(t, step(t.TempDir(), "x"))
}

func TestRunAppliesOnceAndASecondRunChangesNothing(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	r := &plan.Runner{Journal: j}
	require.NoError(t, r.Run(t.Context(), samplePlan(dir), plan.RunOptions{}))
	for _, name := range written {
		require.Equal(t, "new", content(dir, name), name)
	}
	log := content(dir, "log")
	require.NoError(t, r.Run(t.Context(), samplePlan(dir), plan.RunOptions{}))
	require.Equal(t, log, content(dir, "log"), "the second run applied nothing")
	require.True(t, j.History().InForce("cutover"))
	require.Equal(t, plan.Skipped, j.History().Step(sampleKey("prepare", "found")).Phase)
}

// TestKillAtEveryEvent kills -9 a real process at its n-th journal event, for
// every n, and runs the verb again: it finishes, and undo restores the start.
func TestKillAtEveryEvent(t *testing.T) {
	for _, verb := range []string{"run", "undo"} {
		t.Run(verb, func(t *testing.T) {
			for n := 1; ; n++ {
				require.Less(t, n, 100, "the run ends")
				dir := newSample(t)
				if verb == "undo" {
					j := open(t, dir)
					require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), samplePlan(dir), plan.RunOptions{}))
				}
				killed := crash(t, verb, n, dir)
				if killed {
					require.False(t, crash(t, verb, 1000, dir), "the second attempt ends by itself")
				}
				requireFiles(t, dir, verb)
				if !killed {
					require.Greater(t, n, 10, "the loop covered a whole run")
					return
				}
			}
		})
	}
}

func crash(t *testing.T, verb string, n int, dir string) (killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s:%d:%s", crashEnv, verb, n, dir))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == -1 {
		return true
	}
	require.NoError(t, err, "%s", out)
	return false
}

func requireFiles(t *testing.T, dir, verb string) {
	t.Helper()
	want := map[string]string{"a": "new", "b": "new", "c": "new", "d": "new", "e": "new", "f": "new", "found": "new"}
	if verb == "undo" {
		want = map[string]string{"a": "old", "b": "", "c": "", "d": "", "e": "", "f": "", "found": "new"}
	}
	for name, text := range want {
		require.Equal(t, text, content(dir, name), name)
	}
}

func TestFailureInTheCriticalSectionUndoesItAndOnlyIt(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	p := samplePlan(dir)
	boom := errors.New("boom")
	p.Stages[3].Steps[1].Op.(*fileOp).err = boom
	err := (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{})
	require.ErrorIs(t, err, boom)
	require.Contains(t, err.Error(), "the critical section was undone")
	require.Equal(t, "new", content(dir, "a"), "before the section: kept")
	for _, name := range []string{"c", "d", "e"} {
		require.Equal(t, "", content(dir, name), name)
	}
	require.True(t, strings.HasSuffix(content(dir, "log"), "undo e\nundo d\nundo c\n"), "in reverse order")
	require.Empty(t, content(dir, "f"))
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), samplePlan(dir), plan.RunOptions{}), "it can be run again")
}

func TestCancelledContextStillUndoesTheCriticalSection(t *testing.T) {
	dir := newSample(t)
	p := samplePlan(dir)
	p.Stages[3].Steps[0].Op.(*fileOp).block = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	j := open(t, dir)
	j.Subscribe(func(e plan.Event) {
		if e.Step == sampleKey("unfence", "d") && e.Type == plan.StepStarted {
			cancel()
		}
	})
	require.Error(t, (&plan.Runner{Journal: j}).Run(ctx, p, plan.RunOptions{}))
	require.Equal(t, "", content(dir, "c"), "the fence was taken back")
}

func TestSignalStopsBetweenStepsAndTheNextRunGoesOn(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	stop := make(chan struct{})
	signal := sync.OnceFunc(func() { close(stop) })
	j.Subscribe(func(e plan.Event) {
		if e.Step == sampleKey("prepare", "a") && e.Type == plan.StepVerified {
			signal()
		}
	})
	err := (&plan.Runner{Journal: j, Stop: stop, AtOnce: 1}).Run(t.Context(), samplePlan(dir), plan.RunOptions{})
	require.ErrorIs(t, err, plan.ErrStopped)
	require.Empty(t, content(dir, "c"))
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), samplePlan(dir), plan.RunOptions{}))
	require.Equal(t, plan.RunFinished, j.History().LastRun("cutover").Outcome)
}

func TestGracePeriodEndsAStepThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := newSample(t)
		p := samplePlan(dir)
		p.Stages[1].Steps = p.Stages[1].Steps[:1]
		p.Stages[1].Steps[0].Op.(*fileOp).block = make(chan struct{})
		stop := make(chan struct{})
		go func() {
			<-time.After(time.Second)
			close(stop)
		}()
		start := time.Now()
		j := open(t, dir)
		err := (&plan.Runner{Journal: j, Stop: stop, Grace: 7 * time.Second}).Run(t.Context(), p, plan.RunOptions{})
		require.ErrorIs(t, err, plan.ErrStopped)
		require.Equal(t, 8*time.Second, time.Since(start))
	})
}

func TestTransientErrorsAreCheckedBeforeTheyAreTriedAgain(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	p := samplePlan(dir)
	p.Stages[4].Steps[0].Op.(*fileOp).transient = 2
	var retries []string
	j.Subscribe(func(e plan.Event) {
		if e.Type == plan.StepRetry {
			retries = append(retries, e.Text)
		}
	})
	require.NoError(t, (&plan.Runner{Journal: j, Backoff: time.Millisecond}).Run(t.Context(), p, plan.RunOptions{}))
	require.Len(t, retries, 1, "the work was done before the answer was lost, so it was not done twice")
	require.Contains(t, retries[0], "answer lost")
	require.Equal(t, 1, strings.Count(content(dir, "log"), "apply f"))
}

func TestReviewedPlanIsRefusedWhenPlanOrHostsChanged(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	review, err := plan.Survey(t.Context(), samplePlan(dir), time.Now())
	require.NoError(t, err)
	require.Equal(t, 6, review.Changes())
	path := filepath.Join(dir, "plan.json")
	require.NoError(t, review.Save(path))
	loaded, err := plan.LoadReview(path)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("someone else"), 0o600))
	var stale *plan.StaleError
	err = (&plan.Runner{Journal: j}).Run(t.Context(), samplePlan(dir), plan.RunOptions{Reviewed: &loaded})
	require.ErrorAs(t, err, &stale)
	require.Contains(t, err.Error(), "cutover/prepare/a")
	require.Empty(t, content(dir, "log"), "nothing was changed")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("old"), 0o600))
	other := samplePlan(dir)
	other.Config = "another"
	require.ErrorAs(t, (&plan.Runner{Journal: j}).Run(t.Context(), other, plan.RunOptions{Reviewed: &loaded}), &stale)
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), samplePlan(dir), plan.RunOptions{Reviewed: &loaded}))
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), samplePlan(dir), plan.RunOptions{Reviewed: &loaded}), "again: our own changes are no surprise")
}

func TestAPlanWithOtherStepsIsRefusedByTheFirstThatDiffers(t *testing.T) {
	dir := newSample(t)
	review, err := plan.Survey(t.Context(), samplePlan(dir), time.Now())
	require.NoError(t, err)
	for want, change := range map[string]func(*plan.Stage){
		"/new was not in it: write new": func(s *plan.Stage) { s.Steps = append(s.Steps, step(dir, "new")) },
		"is not needed any more":        func(s *plan.Stage) { s.Steps = s.Steps[1:] },
		`now "another"`:                 func(s *plan.Stage) { s.Steps[0].Summary = "another" },
		"other gates and hazards":       func(s *plan.Stage) { s.Steps[0].CannotUndo = "it is" },
	} {
		other := samplePlan(dir)
		change(&other.Stages[0])
		var stale *plan.StaleError
		require.ErrorAs(t, review.SamePlan(other), &stale)
		require.Contains(t, stale.Reason, want)
	}
	require.NoError(t, review.SamePlan(samplePlan(dir)))
}

// hazardous is a step whose Check finds a hazard.
type hazardous struct{ plan.Op }

func (w hazardous) Check(ctx context.Context) (plan.State, error) {
	state, err := w.Op.Check(ctx)
	state.Hazards = []plan.Hazard{{ID: "H20", Text: "found"}}
	return state, err
}

func TestASurveyShowsTheHazardsThatChecksFind(t *testing.T) {
	p := samplePlan(newSample(t))
	s := &p.Stages[0].Steps[0]
	s.Hazards, s.Op = []plan.Hazard{{Text: "known"}}, hazardous{s.Op}
	digest := p.Digest()
	review, err := plan.Survey(t.Context(), p, time.Now())
	require.NoError(t, err)
	require.Equal(t, []plan.Hazard{{Text: "known"}, {ID: "H20", Text: "found"}}, review.Steps[0].Hazards)
	require.Len(t, s.Hazards, 1)
	require.Equal(t, digest, p.Digest())
}

func TestRunToStageStopsThereAndARevertingPlanUndoesTheKind(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	r := &plan.Runner{Journal: j}
	require.ErrorIs(t, r.Run(t.Context(), samplePlan(dir), plan.RunOptions{To: "prepare"}), plan.ErrStopped)
	require.Empty(t, content(dir, "c"))
	require.NoError(t, r.Run(t.Context(), samplePlan(dir), plan.RunOptions{}))
	back := plan.Plan{Site: "test", Kind: "rollback", Reverts: "cutover", Stages: []plan.Stage{{Name: "back", Steps: []plan.Step{step(dir, "z")}}}}
	require.NoError(t, r.Run(t.Context(), back, plan.RunOptions{}))
	h := j.History()
	require.False(t, h.InForce("cutover"))
	require.True(t, h.InForce("rollback"))
	require.Empty(t, h.Ours("cutover"))
}

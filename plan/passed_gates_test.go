package plan_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
)

// decidedOp is a step of the section that others may have decided.
type decidedOp struct {
	*fileOp
	decided bool
}

func (o decidedOp) Decided(context.Context) (bool, error) { return o.decided, nil }

// A run was killed in the critical section and comes back: what the gates said holds only
// while the section stands, and for a bounded time. Where others have decided the
// section, no gate blocks its completion.
func TestGatesOfAKilledSection(t *testing.T) {
	const asked = "gates/ready"
	for name, c := range map[string]struct {
		later      time.Duration
		givenBack  bool // by others: the fence is not in force any more
		decided    bool
		gate       string // it is asked again, and does not hold; or ""
		readyAgain bool   // the gate holds again
		runs       int
	}{
		"the section stands, a moment later":                {later: time.Minute, runs: 1},
		"the section stands, and the gates are old":         {later: time.Hour, gate: asked, runs: 2},
		"others have given the fence back":                  {later: time.Minute, givenBack: true, gate: asked, runs: 2},
		"others have given it back, and the gates hold":     {later: time.Hour, givenBack: true, readyAgain: true, runs: 2},
		"others have decided it, days ago":                  {later: 48 * time.Hour, decided: true, runs: 1},
		"a part was decided, and another part given back":   {later: time.Minute, decided: true, givenBack: true, gate: asked, runs: 1},
		"a part was decided, the rest is given, gates hold": {later: time.Minute, decided: true, givenBack: true, readyAgain: true, runs: 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newSample(t)
			j := open(t, dir)
			now := time.Now()
			j.Now = func() time.Time { return now }
			make := func() plan.Plan {
				p := samplePlan(dir)
				p.GatesHold, p.Stages[3].Commits = 10*time.Minute, true
				return p
			}
			p := make()
			// The run dies after the fence: its journal ends there.
			dead := false
			j.Subscribe(func(e plan.Event) { dead = dead || e.Step == sampleKey("unfence", "d") && e.Type == plan.StepStarted })
			copied := filepath.Join(t.TempDir(), "journal.jsonl")
			j.Subscribe(func(e plan.Event) {
				if dead && !exists(copied) {
					data, err := os.ReadFile(filepath.Join(dir, "journal.jsonl"))
					require.NoError(t, err)
					require.NoError(t, os.WriteFile(copied, data, 0o600))
				}
			})
			require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}))
			require.NoError(t, j.Close())
			require.NoError(t, os.Rename(copied, filepath.Join(dir, "journal.jsonl")))
			for _, file := range []string{"d", "e", "f", "log"} {
				require.NoError(t, os.Remove(filepath.Join(dir, file)))
			}
			set := func(file, text string) {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			if c.givenBack {
				set("c", "")
			}
			if !c.readyAgain {
				set("ready", "no")
			}

			j = open(t, dir)
			now = now.Add(c.later)
			j.Now = func() time.Time { return now }
			p = make()
			p.Stages[3].Steps[0].Op = decidedOp{p.Stages[3].Steps[0].Op.(*fileOp), c.decided}
			err := (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{})
			require.Len(t, j.History().Runs, c.runs)
			if c.gate != "" {
				require.ErrorContains(t, err, c.gate)
				require.Empty(t, content(dir, "f"))
				require.Empty(t, content(dir, "d"), "nothing was handed over")
				if !c.decided {
					require.Empty(t, content(dir, "c"), "the section was taken back")
				}
				return
			}
			require.NoError(t, err)
			require.Equal(t, "new", content(dir, "c"))
			require.Equal(t, "new", content(dir, "f"))
		})
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Without a critical section, too, a gate is asked again until the stage that commits has
// changed something.
func TestGatesAreAskedAgainUntilAStageCommits(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	now := time.Now()
	j.Now = func() time.Time { return now }
	p := samplePlan(dir)
	p.GatesHold = 10 * time.Minute
	for i := range p.Stages {
		p.Stages[i].Critical, p.Stages[i].Commits = false, p.Stages[i].Name == "unfence"
	}
	r := &plan.Runner{Journal: j}
	set := func(text string) { require.NoError(t, os.WriteFile(filepath.Join(dir, "ready"), []byte(text), 0o600)) }
	require.ErrorIs(t, r.Run(t.Context(), p, plan.RunOptions{To: "fence"}), plan.ErrStopped)
	set("no")
	require.ErrorIs(t, r.Run(t.Context(), p, plan.RunOptions{To: "fence"}), plan.ErrStopped, "a moment later")
	now = now.Add(time.Hour)
	require.ErrorContains(t, r.Run(t.Context(), p, plan.RunOptions{}), "gates/ready")
	set("yes")
	require.ErrorIs(t, r.Run(t.Context(), p, plan.RunOptions{To: "unfence"}), plan.ErrStopped)
	set("no")
	now = now.Add(time.Hour)
	require.NoError(t, r.Run(t.Context(), p, plan.RunOptions{}), "the way forward is not blocked any more")
}

// A controller that does not lead begins no step, and takes none back.
func TestNothingBeginsThatIsNotAllowed(t *testing.T) {
	dir := newSample(t)
	j := open(t, dir)
	var left int
	r := &plan.Runner{Journal: j, Allow: func(_ context.Context, undo bool) error {
		if left--; left < 0 {
			return errors.New("another controller leads")
		}
		return nil
	}}
	require.ErrorContains(t, r.Run(t.Context(), samplePlan(dir), plan.RunOptions{}), "another controller leads")
	require.Empty(t, content(dir, "log"))
	left = 3 // a, b, c
	require.ErrorContains(t, r.Run(t.Context(), samplePlan(dir), plan.RunOptions{}), "undo of the critical section")
	require.Equal(t, "new", content(dir, "c"), "the undo is not its own to do")
	require.Empty(t, content(dir, "d"))
	left = 3
	require.NoError(t, r.Undo(t.Context(), samplePlan(dir)))
	require.Empty(t, content(dir, "c"))
}

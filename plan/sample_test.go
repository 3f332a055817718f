package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// fileOp wants a file to hold text: the smallest real change there is. Every
// Apply and Undo also appends to the log file beside it.
type fileOp struct {
	dir, name, want string
	err             error // returned by Apply after the work was done
	transient       int   // so many Applies answer with a Transient error after the work
	block           chan struct{}
}

func (o *fileOp) path() string { return filepath.Join(o.dir, o.name) }

func (o *fileOp) read() string {
	data, err := os.ReadFile(o.path())
	if err != nil {
		return ""
	}
	return string(data)
}

func (o *fileOp) Check(context.Context) (plan.State, error) {
	now := o.read()
	before, err := json.Marshal(now)
	return plan.State{Done: now == o.want, Now: fmt.Sprintf("%q", now), Want: o.want, Before: before}, err
}

func (o *fileOp) Apply(ctx context.Context) error {
	if o.block != nil {
		select {
		case <-o.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := errors.Join(o.log("apply"), os.WriteFile(o.path(), []byte(o.want), 0o600)); err != nil {
		return err
	}
	if o.transient > 0 {
		o.transient--
		return report.Transient(errors.New("answer lost"), time.Millisecond)
	}
	return o.err
}

func (o *fileOp) Verify(context.Context) error {
	if now := o.read(); now != o.want {
		return fmt.Errorf("%s holds %q", o.name, now)
	}
	return nil
}

func (o *fileOp) Undo(_ context.Context, before json.RawMessage) error {
	var was string
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	return errors.Join(o.log("undo"), os.WriteFile(o.path(), []byte(was), 0o600))
}

func (o *fileOp) log(what string) error {
	f, err := os.OpenFile(filepath.Join(o.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %s\n", what, o.name)
	return errors.Join(err, f.Close())
}

// gate holds when its file exists.
type gate struct {
	plan.ReadOnly
	fileOp
}

func (g *gate) Undo(ctx context.Context, before json.RawMessage) error {
	return g.ReadOnly.Undo(ctx, before)
}
func (g *gate) Apply(context.Context) error { return g.Verify(context.Background()) }

func step(dir, name string) plan.Step {
	return plan.Step{Name: name, Summary: "write " + name, Op: &fileOp{dir: dir, name: name, want: "new"}}
}

// samplePlan is a plan of every shape: parallel, serial, a gate, a critical section.
func samplePlan(dir string) plan.Plan {
	return plan.Plan{Site: "test", Kind: "cutover", Stages: []plan.Stage{
		{Name: "gates", Steps: []plan.Step{{Name: "ready", Summary: "wait for ready", Gate: true, Op: &gate{fileOp: fileOp{dir: dir, name: "ready", want: "yes"}}}}},
		{Name: "prepare", Steps: []plan.Step{step(dir, "a"), step(dir, "b"), step(dir, "found")}},
		{Name: "fence", Critical: true, Steps: []plan.Step{step(dir, "c")}},
		{Name: "unfence", Critical: true, Serial: true, Steps: []plan.Step{step(dir, "d"), step(dir, "e")}},
		{Name: "flip", Steps: []plan.Step{step(dir, "f")}},
	}}
}

// sampleKey names a step of samplePlan.
func sampleKey(stage, step string) plan.Key {
	return plan.Key{Kind: "cutover", Stage: stage, Step: step}
}

var written = []string{"a", "b", "c", "d", "e", "f"}

func newSample(t *testing.T) string {
	dir := t.TempDir()
	for name, text := range map[string]string{"ready": "yes", "found": "new", "a": "old"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func open(t *testing.T, dir string) *plan.Journal {
	j, err := plan.OpenJournal(filepath.Join(dir, "journal.jsonl"), "tester")
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func content(dir, name string) string { return (&fileOp{dir: dir, name: name}).read() }

// crashEnv makes the test binary a migrate of its own that is killed at an event.
const crashEnv = "PLAN_TEST_CRASH"

func TestMain(m *testing.M) {
	if spec := os.Getenv(crashEnv); spec != "" {
		os.Exit(crashing(spec))
	}
	os.Exit(m.Run())
}

// crashing runs or undoes samplePlan in this process and kills it with
// SIGKILL when the n-th event is in the journal. spec is "verb:n:dir".
func crashing(spec string) int {
	var verb, dir string
	var n int
	parts := filepath.SplitList(spec) // ':' on every Unix
	verb, dir = parts[0], parts[2]
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return 2
	}
	j, err := plan.OpenJournal(filepath.Join(dir, "journal.jsonl"), "crasher")
	if err != nil {
		return 2
	}
	seen := 0
	j.Subscribe(func(e plan.Event) {
		if seen++; seen == n {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {} // nothing of this process runs on
		}
	})
	r := &plan.Runner{Journal: j}
	if verb == "undo" {
		err = r.Undo(context.Background(), samplePlan(dir))
	} else {
		err = r.Run(context.Background(), samplePlan(dir), plan.RunOptions{})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

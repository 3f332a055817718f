package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
)

// journalWritingScript is a command with a journal: five steps, each with a line
// before and after it. It resumes behind the last finished step. Its child must
// die with it.
const journalWritingScript = `J=$1; sleep 300 & echo $! >>"$J.children"
say() { echo "{\"kind\":\"apply\",\"step\":\"$1\",\"event\":\"$2\"}" >>"$J"; sleep 0.2; }
say "" run-resumed
for s in 1 2 3 4 5; do
	grep -q "\"$s\",\"event\":\"verified" "$J" && continue
	say $s started
	say $s verified
done
say "" run-finished
kill $!`

func shellCommand(script, journal string) func(context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, "sh", "-c", script, "sh", journal)
	}
}

func TestKillEvery(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "journal.jsonl")
	kills, err := KillEvery(t.Context(), shellCommand(journalWritingScript, journal), journal)
	require.NoError(t, err)
	require.Equal(t, 12, kills, "one for each event: run-resumed, two a step, run-finished")
	data, err := os.ReadFile(journal)
	require.NoError(t, err)
	require.Equal(t, kills+1, strings.Count(string(data), "run-resumed"), "each run but one was killed")
	for s := range 5 {
		require.Contains(t, string(data), fmt.Sprintf(`"step":"%d","event":"verified"`, s+1))
	}
	children, err := os.ReadFile(journal + ".children")
	require.NoError(t, err)
	for pid := range strings.FieldsSeq(string(children)) {
		require.Eventually(t, func() bool {
			state, _ := os.ReadFile("/proc/" + pid + "/stat") // missing: the process is gone
			return len(state) == 0 || strings.Contains(string(state), ") Z ")
		}, 5*time.Second, 10*time.Millisecond, "child %s lives", pid)
	}
}

func TestKillEveryEnds(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "journal.jsonl")
	_, err := KillEvery(t.Context(), shellCommand("echo no such host >&2; exit 4", journal), journal)
	require.ErrorContains(t, err, "start after 0 kills: exit status 4: no such host")

	kills, err := KillEvery(t.Context(), shellCommand(`test -e "$1.again" && exit 0; touch "$1.again"; exit 5`, journal), journal, 5)
	require.NoError(t, err, "5 is a retry code: the command runs again")
	require.Zero(t, kills)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = KillEvery(ctx, shellCommand("sleep 300", journal), journal)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	_, err = KillEvery(t.Context(), func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, "/nonexistent") }, journal)
	require.ErrorContains(t, err, "start command")
}

// TestKillEveryAfterATornLine: a torn line does not count, and the next run cuts it off.
func TestKillEveryAfterATornLine(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "journal.jsonl")
	require.NoError(t, os.WriteFile(journal, []byte("one\ntwo\nthr"), 0o600))
	kills, err := KillEvery(t.Context(), shellCommand(`test -e "$1.2" && exit 0; touch "$1.2"; printf 'one\ntwo\n' >"$1"; echo three >>"$1"; sleep 60`, journal), journal)
	require.NoError(t, err)
	require.Equal(t, 1, kills)
}

func TestKillAt(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "journal")
	script := shellCommand(`echo '{"event":"started","step":"cutover/stage/a"}' >>"$1"; echo '{"event":"started","step":"cutover/stage/b"}' >>"$1"; sleep 1; echo '{"event":"started","step":"cutover/stage/c"}' >>"$1"`, journal)
	at := func(step string) func(plan.Event) bool {
		return func(e plan.Event) bool { return e.Step.Step == step }
	}
	start := time.Now()
	killed, err := KillAt(t.Context(), script, journal, at("b"), 50*time.Millisecond)
	require.NoError(t, err)
	require.True(t, killed)
	require.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
	data, err := os.ReadFile(journal)
	require.NoError(t, err)
	require.NotContains(t, string(data), `stage/c"`)

	killed, err = KillAt(t.Context(), script, journal, at("c"), time.Minute)
	require.NoError(t, err)
	require.False(t, killed, "the command ended first")
}

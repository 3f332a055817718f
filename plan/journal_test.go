package plan_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

func TestTornLastLineIsCutOffAtEveryLength(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.jsonl")
	j, err := plan.OpenJournal(path, "tester")
	require.NoError(t, err)
	for _, e := range []plan.Event{
		{Type: plan.RunStarted, Run: "apply-1", Kind: "apply"},
		{Type: plan.StepStarted, Run: "apply-1", Kind: "apply", Step: plan.Key{Kind: "apply", Stage: "s", Step: "x"}, Before: []byte(`{"v":1}`)},
	} {
		require.NoError(t, j.Append(e))
	}
	require.NoError(t, j.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	first := len(whole) - 1
	for first > 0 && whole[first-1] != '\n' {
		first--
	}
	for cut := first; cut < len(whole); cut++ {
		require.NoError(t, os.WriteFile(path, whole[:cut], 0o600))
		j, err := plan.OpenJournal(path, "tester")
		require.NoError(t, err)
		require.Equal(t, cut-first, j.Torn)
		require.Empty(t, j.History().Steps)
		require.NoError(t, j.Append(plan.Event{Type: plan.StepStarted, Kind: "apply", Step: plan.Key{Kind: "apply", Stage: "s", Step: "y"}}))
		require.NoError(t, j.Close())
		events, err := plan.ReadJournal(path)
		require.NoError(t, err)
		require.Len(t, events, 2)
		require.Equal(t, 2, events[1].Seq)
	}
}

func TestDamagedLineIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("{\"seq\":1}\nrubbish\n{\"seq\":3}\n"), 0o600))
	_, err := plan.OpenJournal(path, "tester")
	require.ErrorContains(t, err, "journal.jsonl:2: damaged")
	require.NotEmpty(t, report.Hint(err))
}

func TestJournalIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "journal.jsonl")
	j, err := plan.OpenJournal(path, "tester")
	require.NoError(t, err)
	defer j.Close() //nolint:errcheck // a test
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestSecondOperatorIsRefusedAndToldOfTheFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := plan.TakeLock(path, plan.Holder{Who: "anna@ops1", PID: 42, Verb: "cutover", Since: time.Now()})
	require.NoError(t, err)
	_, err = plan.TakeLock(path, plan.Holder{Who: "ben@ops2", PID: 43, Verb: "apply", Since: time.Now()})
	var locked *plan.LockedError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, "anna@ops1", locked.Holder.Who)
	require.ErrorContains(t, err, "anna@ops1 holds the lock of this migration (pid 42, cutover since")
	require.NoError(t, l.Release())
	l, err = plan.TakeLock(path, plan.Holder{Who: "ben@ops2"})
	require.NoError(t, err)
	require.NoError(t, l.Release())
}

func FuzzReadJournal(f *testing.F) {
	f.Add([]byte("{\"seq\":1,\"event\":\"run-started\",\"kind\":\"apply\"}\n{\"seq\":2"))
	f.Add([]byte("{\"seq\":1,\"event\":\"run-finished\",\"kind\":\"a\",\"reverts\":\"b\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		j, err := plan.OpenJournal(path, "fuzz")
		if err != nil {
			return
		}
		defer j.Close() //nolint:errcheck // a test
		require.NoError(t, j.Append(plan.Event{Type: plan.RunStarted, Kind: "apply", Run: "apply-1"}))
		events, err := plan.ReadJournal(path)
		require.NoError(t, err, "what was opened can be read, with the new event at its end")
		require.NotEmpty(t, events)
		plan.Fold(events)
	})
}

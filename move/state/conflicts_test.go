package state

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/conflict"
)

func TestConflictFilesAreKeptPerDirectionAndPrivate(t *testing.T) {
	ctx := t.Context()
	s := Conflicts{At(t.TempDir())}
	_, ok, err := s.Window(ctx, "main")
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, s.SaveWindow(ctx, "main", nil), "nothing to forget")

	w := conflict.Window{Pair: "main", Start: conflict.WindowStart{Source: "1-1-5", Target: "2-2-3"}, Opened: time.Now().UTC()}
	require.NoError(t, s.SaveWindow(ctx, "main", &w))
	got, ok, err := s.Window(ctx, "main")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, w.Start, got.Start)
	require.True(t, w.Opened.Equal(got.Opened))

	for _, entered := range []replication.Side{replication.Target, replication.Source} {
		where, err := s.SaveReport(ctx, conflict.Report{Pair: "main", Entered: entered, Found: 1})
		require.NoError(t, err)
		info, err := os.Stat(where)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	reports, err := s.Reports(ctx, "main")
	require.NoError(t, err)
	require.Len(t, reports, 2)
	require.Equal(t, replication.Target, reports[0].Entered, "the cutover's first")

	require.NoError(t, s.SaveWindow(ctx, "main", nil))
	_, ok, err = s.Window(ctx, "main")
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, os.WriteFile(s.Path(windowFile("main")), []byte("{"), 0o600))
	_, _, err = s.Window(ctx, "main")
	require.ErrorContains(t, err, "conflicts-main-window.json")
}

package state

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
)

// A state folder keeps its id; a copy in another place has the same id and another place.
func TestAStateFolderIsAController(t *testing.T) {
	f := At(filepath.Join(t.TempDir(), "a"))
	none, err := f.Controller("blog", false)
	require.NoError(t, err)
	require.Empty(t, none.ID)
	require.NoDirExists(t, f.dir, "reading makes nothing")
	var inside int
	require.NoError(t, f.Write("apply", nil, func(j *plan.Journal) error {
		c, err := f.Controller("blog", true)
		require.NoError(t, err)
		require.NotEmpty(t, c.ID)
		require.NoError(t, j.Append(plan.Event{Kind: "apply", Type: plan.StepNote, Text: "x"}))
		c, err = f.Controller("blog", true)
		inside = c.Events
		return err
	}))
	require.Equal(t, 1, inside)
	first, err := f.Controller("blog", false)
	require.NoError(t, err)
	require.Equal(t, 1, first.Events)
	again, err := At(f.dir).Controller("blog", true)
	require.NoError(t, err)
	require.Equal(t, first, again)

	place := filepath.Join(t.TempDir(), "b")
	require.NoError(t, os.CopyFS(place, os.DirFS(f.dir)))
	copied, err := At(place).Controller("blog", true)
	require.NoError(t, err)
	require.Equal(t, first.ID, copied.ID)
	require.NotEqual(t, first.Folder, copied.Folder)
	require.NoError(t, os.Remove(filepath.Join(place, "journal.jsonl")))
	lost, err := At(place).Controller("blog", true)
	require.NoError(t, err)
	require.Zero(t, lost.Events)
}

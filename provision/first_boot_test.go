package provision

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseStatus(t *testing.T) {
	s := parseStatus("......\nstatus: error\nboot_status_code: enabled-by-generator\nlast_update: Thu, 01 Jan 1970\ndetail:\n('scripts-user', RuntimeError('x'))\nE: Unable to locate package nope\nexit 1\n")
	require.Equal(t, "error", s.Status)
	require.Equal(t, "1", s.ExitCode)
	require.Contains(t, s.Detail, "Unable to locate package nope")
	require.Equal(t, "done", parseStatus("status: done\nexit 0\n").Status)
}

func TestFirstBootBeforeTheDropletIsMade(t *testing.T) {
	directory, err := OpenDirectory(t.TempDir(), 0)
	require.NoError(t, err)
	op := newFirstBoot(HostSpec{Name: "app1"}, Deps{Directory: directory}).Op
	state, err := op.Check(t.Context())
	require.NoError(t, err)
	require.True(t, state.Unknown)
	require.NotEmpty(t, state.Now)
	require.NoError(t, op.Undo(t.Context(), nil), "without a droplet there is nothing to undo")
}

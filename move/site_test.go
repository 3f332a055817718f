package move

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
)

// A login that could become root and cannot any more sees less: what it sees
// does not replace what root saw.
func TestAPlainLoginReplacesNoCaptureOfRoot(t *testing.T) {
	m := &Move{Config: &config.Config{StateDir: t.TempDir()}}
	host := func(release string, missing ...inventory.Missing) *inventory.Host {
		return &inventory.Host{Version: inventory.Version, Name: "web1", OS: inventory.OS{Release: release}, Missing: missing}
	}
	kept := func() string {
		hosts, err := m.inventory()
		require.NoError(t, err)
		require.Len(t, hosts, 1)
		return hosts[0].OS.Release
	}
	plain := inventory.Missing{What: "root", Reason: inventory.Denied}
	require.NoError(t, m.saveInventory(host("1", plain)), "there was none")
	require.NoError(t, m.saveInventory(host("2", plain)), "the login sees what it saw")
	require.NoError(t, m.saveInventory(host("3", inventory.Missing{What: "lvm", Reason: inventory.TimedOut})))
	err := m.saveInventory(host("4", plain))
	require.ErrorIs(t, err, remote.ErrSudo)
	require.ErrorContains(t, err, "capture web1: ")
	require.Equal(t, "3", kept())
	require.NoError(t, m.saveInventory(host("5")))
	require.Equal(t, "5", kept())
}

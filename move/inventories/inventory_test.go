package inventories

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/remote"
)

// A login that can no longer become root sees less: that does not replace what root saw.
func TestAPlainLoginReplacesNoCaptureOfRoot(t *testing.T) {
	site, err := wiring.Open(&config.Config{StateDir: t.TempDir()})
	require.NoError(t, err)
	v := Of(site)
	host := func(release string, missing ...inventory.Missing) *inventory.Host {
		return &inventory.Host{Version: inventory.Version, Name: "web1", OS: inventory.OS{Release: release}, Missing: missing}
	}
	kept := func() string {
		hosts, err := v.Hosts()
		require.NoError(t, err)
		require.Len(t, hosts, 1)
		return hosts[0].OS.Release
	}
	plain := inventory.Missing{What: "root", Reason: inventory.Denied}
	require.NoError(t, v.save(host("1", plain)), "there was none")
	require.NoError(t, v.save(host("2", plain)), "the login sees what it saw")
	require.NoError(t, v.save(host("3", inventory.Missing{What: "lvm", Reason: inventory.TimedOut})))
	err = v.save(host("4", plain))
	require.ErrorIs(t, err, remote.ErrSudo)
	require.ErrorContains(t, err, "capture web1: ")
	require.Equal(t, "3", kept())
	require.NoError(t, v.save(host("5")))
	require.Equal(t, "5", kept())
}

package provision_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/report"
)

func TestDirectory(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	d, err := provision.OpenDirectory(folder, 22)
	require.NoError(t, err)
	_, err = d.Lookup("app1")
	require.ErrorIs(t, err, provision.ErrNotProvisioned)
	_, err = d.Address("app1")(t.Context())
	require.ErrorIs(t, err, provision.ErrNotProvisioned)
	_, public := provisiontest.NewKey(t)
	_, next := provisiontest.NewKey(t)
	m := provision.Host{
		Name: "app1", Droplet: 7, Public: netip.MustParseAddr("203.0.113.7"), Private: netip.MustParseAddr("10.0.0.7"),
		HostKey: public, NextKey: next, Bootstrap: true,
	}
	require.NoError(t, d.Record(m))
	for _, file := range []string{"hosts.json", "known_hosts"} {
		info, err := os.Stat(filepath.Join(folder, file))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	again, err := provision.OpenDirectory(folder, 22)
	require.NoError(t, err)
	got, err := again.Lookup("app1")
	require.NoError(t, err)
	require.Equal(t, m, got)
	known, err := os.ReadFile(d.KnownHosts())
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(string(known), "ssh-ed25519"), "both keys for both addresses while the key is replaced")

	require.NoError(t, os.WriteFile(filepath.Join(folder, "hosts.json"), []byte("{"), 0o600))
	_, err = provision.OpenDirectory(folder, 22)
	require.ErrorContains(t, err, "hosts.json")
	require.NotEmpty(t, report.Hint(err))
}

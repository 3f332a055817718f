package export_test

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/lab/machine"
)

// A fresh droplet after cloud-init has the same capture as the prepared host.
func TestCloudInitMakesDropletEqual(t *testing.T) {
	n := openLab(t)
	objects := inventory.NewObjects(filepath.Join(t.TempDir(), "objects"))
	original, usersKey := capturedHost(t, n, objects)
	result, err := export.Export(roles.Of([]*inventory.Host{original}), export.Options{Format: export.CloudInit, Objects: objects})
	require.NoError(t, err)
	require.Len(t, result.Secrets, len(plantedSecrets))
	userData := result.Files["web.yaml"]
	for _, s := range result.Secrets {
		require.Contains(t, userData, s.Token+"=\n")
		userData = strings.ReplaceAll(userData, s.Token+"=\n", s.Token+"="+secretOf(t, s.Name)+"\n")
	}

	h := bootDroplet(t, n, machine.Spec{Name: "web1-new", Addresses: []netip.Addr{netip.MustParseAddr("10.219.0.12")}, CloudInit: &machine.CloudInitSeed{UserData: userData}})
	status := sh(t, h, "cloud-init status --wait --long || true; cat /var/log/cloud-init-output.log")
	require.Contains(t, status, "status: done", status)
	waitBooted(t, h)
	require.Empty(t, sh(t, h, "ls -A /run/migrate"), "the values are gone once they are filled in")
	again := captureHost(t, h, objects)
	require.Equal(t, scopeLines(t, original, objects), scopeLines(t, again, objects))
	checkLogins(t, h, usersKey)
}

// A first boot stops with a message if a secret is not filled in.
func TestCloudInitStopsWithoutSecrets(t *testing.T) {
	n := openLab(t)
	m := newSite(t)
	h := &inventory.Host{Version: inventory.Version, Name: "web1", OS: inventory.OS{ID: "debian"}, Configuration: []inventory.File{
		m.file("/etc/app.env", "PASSWORD="+dbToken+"\n"), {Path: "/etc/app.link", Kind: "link", Target: "app.env"},
	}}
	result, err := export.Export([]roles.Role{{Name: "web", Hosts: []*inventory.Host{h}}}, export.Options{Format: export.CloudInit, Objects: m.objects})
	require.NoError(t, err)
	droplet := bootDroplet(t, n, machine.Spec{Name: "web1-new", Addresses: []netip.Addr{netip.MustParseAddr("10.219.0.12")}, CloudInit: &machine.CloudInitSeed{UserData: result.Files["web.yaml"]}})
	status := sh(t, droplet, "cloud-init status --wait --long || true; cat /var/log/cloud-init-output.log; ls /etc/app.*")
	require.Contains(t, status, "status: error")
	require.Contains(t, status, "no value is filled in for "+dbToken)
	require.NotContains(t, status, "/etc/app.link")
}

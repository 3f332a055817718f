package inventories

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/provision"
)

// What the inventory knows of a host decides its clone's image, volumes and private range.
func TestNewSiteTakesAHostAsItIs(t *testing.T) {
	key := filepath.Join(t.TempDir(), "id")
	require.NoError(t, os.WriteFile(key+".pub", []byte("ssh-ed25519 AAAA\n"), 0o600))
	c := &config.Config{ID: "blog-1", Hosts: []config.Host{{Name: "db1", Address: config.Addr{Addr: netip.MustParseAddr("192.0.2.20")}, Volume: "/srv"}}}
	c.SSH.IdentityFile = key
	c.Provision.DigitalOcean.IPv6, c.Provision.DigitalOcean.ReservedIPs = true, true
	h := &inventory.Host{Name: "db1", OS: inventory.OS{ID: "ubuntu", Release: "24.04", Architecture: "x86_64"}}
	h.Network.Interfaces = []inventory.Interface{
		{Name: "lo", Addresses: []string{"127.0.0.1/8", "::1/128"}},
		{Name: "eth0", Addresses: []string{"192.0.2.20/24", "fe80::1/64"}},
		{Name: "eth1", Addresses: []string{"10.0.0.5/24"}},
	}
	h.Disks = []inventory.Disk{
		{Mount: "/boot", Device: "/dev/vda1", Used: gib / 2},
		{Mount: "/", Device: "/dev/vda2", Used: 10 * gib},
		{Mount: "/home", Device: "/dev/vda2", Used: 10 * gib},
		{Mount: "/srv", Device: "/dev/vdb", Used: 100 * gib},
	}
	site, err := NewSite(c, []*inventory.Host{h})
	require.NoError(t, err)
	require.True(t, site.IPv6 && site.ReservedIPs)
	got := site.Hosts[0]
	require.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.20"), netip.MustParseAddr("10.0.0.5")}, got.OtherAddresses)
	require.Equal(t, []provision.Mount{{Path: "/srv", GiB: 150}}, got.Facts.Mounts, "/home is a part of the root's filesystem")
	require.Equal(t, 166, got.Facts.DiskGiB)
	require.Equal(t, "/srv", got.Volume)
	require.Equal(t, "ubuntu-24-04-x64", ImageOf(c, h))
	c.Provision.DigitalOcean.Image = "debian-12-x64"
	require.Equal(t, "debian-12-x64", ImageOf(c, h))
}

package provisiontest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/provision"
)

// Site has two hosts with different roles: app1 serves the world, db1 does not.
// Their sshd listens on SandboxPort; authorized is the operator's public key.
func Site(authorized string) provision.Site {
	return provision.Site{
		ID: "blog-1", Name: "blog", Region: "ams3", Image: "debian-12-x64",
		Hosts: []provision.HostSpec{
			{Name: "app1", Roles: []string{"web", "app"}, OldAddress: netip.MustParseAddr("192.0.2.10"), Facts: provision.Facts{CPUs: 1, MemoryMiB: 900, DiskGiB: 20}},
			{Name: "db1", Roles: []string{"db"}, OldAddress: netip.MustParseAddr("192.0.2.20"), Facts: provision.Facts{CPUs: 2, MemoryMiB: 1900, DiskGiB: 40}},
		},
		PublicPorts:  map[string][]int{"web": {80, 443}},
		SSHPublicKey: authorized, SSHPort: SandboxPort,
	}
}

// Deps are a vendor's client, an empty directory, and hosts that are reached as the
// directory says.
func Deps(t testing.TB, v *Vendor, identityFile string) provision.Deps {
	t.Helper()
	d, err := provision.OpenDirectory(t.TempDir(), SandboxPort)
	require.NoError(t, err)
	return provision.Deps{Cloud: v.Client, Directory: d, Hosts: NewHosts(t, identityFile, d), Interval: 50 * time.Millisecond}
}

package diff

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		old, new string
		class    Class
	}{
		{"1.22.1-9", "1.22.1-9+deb12u1", Harmless},
		{"10.11.4-1", "1:10.11.6-0+deb12u1", Harmless},
		{"10.11.6-MariaDB-0+deb12u1", "10.11.11-MariaDB-0+deb12u1", Harmless},
		{"8.2.7-1~deb12u1", "8.2.29-1~deb12u1", Harmless},
		{"252.6-1", "252.38-1~deb12u1", Harmless},
		{"20230311", "20240203", Drift}, // not a package of data
		{"2019.1", "2024.3", Drift},
		{"3.0.15-1~deb12u1", "3.0.2-0+deb12u1", Drift},
		{"1.22.1-9+deb12u2", "1.22.1-9+deb12u1", Drift},
		{"1.22.1-9", "1.22.1-9~bpo11+1", Drift},
		{"3.0.9-1", "3.0.15-1", Harmless},
		{"1.22.1-9", "1.24.0-2", Drift},
		{"10.11.4", "11.8.2", Drift},
		{"8.2.7", "8.3.7", Drift},
		{"252.6-1", "257.6-1", Drift},
		{"5.1-2", "5.2-1", Drift},
		{"", "5.2-1", Drift},
		{"git-abc", "git-def", Harmless}, // the same but for the revision
		{"abc", "def", Drift},
	} {
		before, after := capturedHost(t), capturedHost(t)
		before.Packages[0].Version, after.Packages[0].Version = c.old, c.new
		d := Compare(sideOf(before), sideOf(after)).Differences
		require.Len(t, d, 1)
		require.Equal(t, c.class, d[0].Class, "%s → %s: %s", c.old, c.new, d[0].Why)
		after.OS.Release = "99"
		require.Equal(t, 2, Compare(sideOf(before), sideOf(after)).Count(Drift), "another release of the system is none of a patch")
	}
}

// Versions of packages of data are dates, and later ones are patches.
func TestDatedVersions(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		class          Class
	}{
		{"tzdata", "2024a-0+deb12u1", "2025b-0+deb12u1", Harmless},
		{"tzdata", "2025b-0+deb12u1", "2024a-0+deb12u1", Drift},
		{"ca-certificates", "20230311", "20240203", Harmless},
		{"debian-archive-keyring", "2023.3+deb12u1", "2025.1", Harmless},
		{"pycharm", "2019.1", "2024.3", Drift},
	} {
		host := func(version string) *inventory.Host {
			return &inventory.Host{Name: "a", Packages: []inventory.Package{{Name: c.name, Version: version, Architecture: "all"}}}
		}
		d := Compare(sideOf(host(c.old)), sideOf(host(c.new))).Differences
		require.Len(t, d, 1)
		require.Equal(t, c.class, d[0].Class, "%s %s → %s: %s", c.name, c.old, c.new, d[0].Why)
	}
}

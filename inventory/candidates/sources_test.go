package candidates

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

func TestParseImage(t *testing.T) {
	for image, want := range map[string]distribution{
		"debian-11-x64":    {"debian", "11", "bullseye"},
		"debian-12-x64":    {"debian", "12", "bookworm"},
		"debian-13-x64":    {"debian", "13", "trixie"},
		"ubuntu-20-04-x64": {"ubuntu", "20.04", "focal"},
		"ubuntu-22-04-x64": {"ubuntu", "22.04", "jammy"},
		"ubuntu-24-04-x64": {"ubuntu", "24.04", "noble"},
		"ubuntu-25-10-x64": {"ubuntu", "25.10", "questing"},
		"ubuntu-26-04-x64": {"ubuntu", "26.04", "resolute"},
	} {
		got, err := parseImage(image)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, image := range []string{"", "debian", "debian-12-x64-beta", "fedora-42-x64", "centos-stream-9-x64", "ubuntu-24-04-arm", "ubuntu-99-04-x64", "debian-12-x64\n", "12345678"} {
		_, err := parseImage(image)
		require.ErrorContains(t, err, image)
	}
}

func TestMovedRepositories(t *testing.T) {
	debian := inventory.OS{ID: "debian", Release: "12", Codename: "bookworm"}
	ubuntu := inventory.OS{ID: "ubuntu", Release: "22.04", Codename: "jammy"}
	trixie, noble := distribution{"debian", "13", "trixie"}, distribution{"ubuntu", "24.04", "noble"}
	for _, test := range []struct {
		os                               inventory.OS
		target                           distribution
		url, suite, wantURL, wantedSuite string
	}{
		{debian, trixie, "https://packages.sury.org/php", "bookworm", "https://packages.sury.org/php", "trixie"},
		{debian, trixie, "https://apt.example.org", "bookworm-pgdg", "https://apt.example.org", "trixie-pgdg"},
		{debian, trixie, "https://apt.example.org", "cloud-sdk-bookworm", "https://apt.example.org", "cloud-sdk-trixie"},
		{debian, trixie, "https://apt.example.org", "bookworm/stable", "https://apt.example.org", "trixie/stable"},
		{debian, trixie, "https://apt.example.org", "bookworms", "https://apt.example.org", "bookworms"},
		{debian, trixie, "https://apt.example.org", "nodistro", "https://apt.example.org", "nodistro"},
		{debian, trixie, "https://apt.example.org", "stable", "https://apt.example.org", "stable"},
		{debian, trixie, "https://apt.example.org/debian/12/prod", "bookworm", "https://apt.example.org/debian/13/prod", "trixie"},
		{debian, trixie, "https://apt.example.org/12/prod", "bookworm", "https://apt.example.org/12/prod", "trixie"},
		{debian, trixie, "http://obs.example.org/home:/x/Debian_12", "/", "http://obs.example.org/home:/x/Debian_13", "/"},
		{debian, trixie, "http://obs.example.org/bookworm", "./", "http://obs.example.org/trixie", "./"},
		{ubuntu, noble, "http://ppa.example.org/ondrej/php/ubuntu", "jammy", "http://ppa.example.org/ondrej/php/ubuntu", "noble"},
		{ubuntu, noble, "http://obs.example.org/xUbuntu_22.04", "/", "http://obs.example.org/xUbuntu_24.04", "/"},
		{ubuntu, trixie, "https://download.example.com/linux/ubuntu", "jammy", "https://download.example.com/linux/debian", "trixie"},
		{ubuntu, trixie, "https://apt.example.org/ubuntu/22.04/prod", "jammy", "https://apt.example.org/debian/13/prod", "trixie"},
		{inventory.OS{}, trixie, "https://apt.example.org/debian", "stable", "https://apt.example.org/debian", "stable"},
		{debian, trixie, "http://[::1", "bookworm", "http://[::1", "trixie"},
	} {
		require.Equal(t, test.wantURL, test.target.movedURL(test.url, test.os), test.url)
		require.Equal(t, test.wantedSuite, test.target.movedSuite(test.suite, test.os), test.suite)
	}
}

func TestFolders(t *testing.T) {
	for name, want := range map[string]string{
		"trixie": "http://a/x/dists/trixie", "trixie/updates": "http://a/x/dists/trixie/updates",
		"./": "http://a/x", "/": "http://a/x", "binary/": "http://a/x/binary", "./a/b/": "http://a/x/a/b", "../../": "http://a/x",
	} {
		require.Equal(t, want, suite{"http://a/x", name}.folder(), name)
	}
}

// The distribution's own archives are not among the other sources: the target's own
// replace them.
func TestStock(t *testing.T) {
	debian := inventory.OS{ID: "debian", Release: "12", Codename: "bookworm"}
	one := func(url, suite, key string) *inventory.Host {
		r := inventory.Repository{Kind: "deb", URL: url, Suites: []string{suite}, Components: []string{"main"}}
		if key != "" {
			r.SignedBy = []string{key}
		}
		return &inventory.Host{OS: debian, Repositories: []inventory.Repository{r}}
	}
	for _, h := range []*inventory.Host{
		one("http://deb.debian.org/debian", "bookworm", ""),
		one("http://ftp2.de.debian.org/debian/", "bookworm-backports", ""),
		one("https://security.debian.org", "bookworm-security", ""),
		one("http://security.debian.org/debian-security", "stable-security", ""),
		one("http://archive.debian.org/debian", "jessie", ""),
		one("http://user:token@deb.debian.org/debian", "bookworm", ""),
		one("http://archive.ubuntu.com/ubuntu/", "jammy", ""),
		one("http://de.archive.ubuntu.com/ubuntu", "jammy", ""),
		one("http://ports.ubuntu.com/ubuntu-ports", "jammy", ""),
		one("http://mirror.example.com/os", "bookworm", "/usr/share/keyrings/debian-archive-keyring.gpg"),
		one("http://mirror.example.com/debian/packages", "bookworm-updates", ""),
		one("mirror+file:/etc/apt/mirrors/debian-security.list", "bookworm-security", ""),
	} {
		require.True(t, isStock(h, h.Repositories[0]), h.Repositories[0].URL)
		require.Empty(t, distribution{"debian", "13", "trixie"}.otherSources(h))
	}
	for _, h := range []*inventory.Host{
		one("https://packages.sury.org/php", "bookworm", "/usr/share/keyrings/sury.gpg"),
		one("https://download.docker.com/linux/debian", "bookworm", ""),
		one("http://ubuntu-cloud.archive.canonical.com/ubuntu", "jammy-updates/antelope", ""),
		one("http://ubuntu-cloud.archive.ubuntu.com/ubuntu", "jammy-updates/antelope", ""),
		one("https://esm.ubuntu.com/apps/ubuntu", "jammy-apps-security", ""),
		one("https://people.debian.org/~someone/apt", "./", ""),
		one("https://deb.debian.org.example.com/debian", "bookworm", ""),
		one("https://mirror.example.org/repo/10.11/debian", "bookworm", "/etc/apt/keyrings/mariadb-keyring.pgp"),
		one("https://apt.example.org/corp", "bookworm", "/etc/apt/keyrings/corp-debian-archive-keyring.gpg"),
		one("https://apt.example.org/corp", "bookworm", "/etc/debian-archive-keys/corp.gpg"),
	} {
		require.False(t, isStock(h, h.Repositories[0]), h.Repositories[0].URL)
		require.Len(t, distribution{"debian", "13", "trixie"}.otherSources(h), 1)
	}
}

func TestComponents(t *testing.T) {
	host := func(id, release string, components ...string) *inventory.Host {
		return &inventory.Host{OS: inventory.OS{ID: id, Release: release}, Repositories: []inventory.Repository{
			{Kind: "deb", URL: "http://deb.debian.org/debian", Suites: []string{"x"}, Components: components},
			{Kind: "deb", URL: "https://apt.example.org/", Suites: []string{"x"}, Components: []string{"other"}},
			{Kind: "deb", URL: "http://deb.debian.org/debian", Suites: []string{"x"}, Components: []string{"off"}, Disabled: true},
		}}
	}
	for _, test := range []struct {
		host   *inventory.Host
		target distribution
		want   []string
	}{
		{host("debian", "11", "main"), distribution{"debian", "12", "bookworm"}, []string{"main"}},
		{host("debian", "11", "main", "non-free"), distribution{"debian", "12", "bookworm"}, []string{"main", "non-free", "non-free-firmware"}},
		{host("debian", "12", "main", "non-free"), distribution{"debian", "13", "trixie"}, []string{"main", "non-free"}},
		{host("debian", "12", "main", "non-free-firmware"), distribution{"debian", "11", "bullseye"}, []string{"main", "non-free"}},
		{host("ubuntu", "22.04", "main", "multiverse"), distribution{"debian", "13", "trixie"}, []string{"contrib", "main"}},
		{host("ubuntu", "22.04", "main", "multiverse"), distribution{"ubuntu", "24.04", "noble"}, []string{"main", "multiverse"}},
		{host("debian", "12", "main"), distribution{"ubuntu", "24.04", "noble"}, []string{"main", "universe"}},
		{host("debian", "12"), distribution{"debian", "13", "trixie"}, []string{"contrib", "main"}},
	} {
		require.Equal(t, test.want, test.target.components(test.host))
	}
}

// The target's own sources are its archives, or mirrors of them.
func TestOwnSources(t *testing.T) {
	h := &inventory.Host{OS: inventory.OS{ID: "debian"}}
	own := func(target distribution, o Options) []string {
		var all []string
		for _, s := range target.ownSources(h, o) {
			all = append(all, s.folder())
		}
		return all
	}
	trixie, noble := distribution{"debian", "13", "trixie"}, distribution{"ubuntu", "24.04", "noble"}
	require.Equal(t, []string{"https://deb.debian.org/debian/dists/trixie", "https://deb.debian.org/debian/dists/trixie-updates", "https://deb.debian.org/debian-security/dists/trixie-security"}, own(trixie, Options{}))
	require.Equal(t, []string{"http://archive.ubuntu.com/ubuntu/dists/noble", "http://archive.ubuntu.com/ubuntu/dists/noble-updates", "http://security.ubuntu.com/ubuntu/dists/noble-security"}, own(noble, Options{}))
	require.Equal(t, []string{"http://m/d/dists/trixie", "http://m/d/dists/trixie-updates", "http://m/s/dists/trixie-security"}, own(trixie, Options{Mirror: "http://m/d/", SecurityMirror: "http://m/s"}))
}

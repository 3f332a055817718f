package capture

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
)

// A host of RHEL's family was captured by a plain user. What that user could not read
// is listed as missing.
func TestParseRPMHost(t *testing.T) {
	a, err := parseFrames(recorded(t, "rocky9", 900))
	require.NoError(t, err)
	h := parseAnswer(t, a, Target{Host: remote.NewLocal("web9")}, recordedContents(t, "rocky9"))

	require.Equal(t, inventory.OS{ID: "rocky", Release: "9.4", Name: "Rocky Linux 9.4 (Blue Onyx)", Like: "rhel centos fedora", Kernel: "5.14.0-427.13.1.el9_4.x86_64", Architecture: "x86_64", Init: "systemd", Locale: "en_US.UTF-8"}, h.OS)
	require.Equal(t, "deploy", h.As)
	require.Len(t, h.Packages, 5, "a key is no package")
	require.Contains(t, h.Packages, inventory.Package{Name: "httpd", Version: "2.4.57-8.el9", Architecture: "x86_64", Manual: true, Held: true, Origin: "Rocky Enterprise Software Foundation"})
	require.Contains(t, h.Packages, inventory.Package{Name: "bind-libs", Version: "32:9.16.23-18.el9", Architecture: "x86_64", Origin: "Rocky Enterprise Software Foundation"})
	require.Equal(t, []inventory.Repository{
		{File: "/etc/yum.repos.d/rocky.repo", Kind: "rpm", Name: "baseos", URL: "https://mirrors.rockylinux.org/mirrorlist?arch=$basearch&repo=BaseOS-$releasever", SignedBy: []string{"file:///etc/pki/rpm-gpg/RPM-GPG-KEY-Rocky-9"}},
		{File: "/etc/yum.repos.d/rocky.repo", Kind: "rpm", Name: "off", URL: "http://10.0.0.3/", Disabled: true},
		{File: "/etc/yum.repos.d/rocky.repo", Kind: "rpm", Name: "ours", URL: "http://10.0.0.2/el9/", Unsigned: true},
	}, h.Repositories)
	file := func(path inventory.Text) *inventory.File {
		return find(h.Configuration, func(f inventory.File) bool { return f.Path == path })
	}
	require.Equal(t, "httpd", file("/etc/httpd/conf/httpd.conf").Package, "it was changed")
	require.Nil(t, file("/etc/httpd/conf.d/welcome.conf"), "it is as the package brought it")
	require.NotNil(t, file("/etc/httpd/conf.d/blog.conf"))
	require.Nil(t, file("/etc/alternatives/java"), "it is made everywhere")
	require.Contains(t, h.Services, inventory.Service{Unit: "httpd.service", Enabled: "enabled", Active: "active", Package: "httpd"})
	require.Equal(t, []inventory.VirtualHost{{Server: "apache", File: "/etc/httpd/conf.d/blog.conf", Line: 1, Names: []string{"blog.example.com", "www.blog.example.com"}, Listen: []string{"*:80"}, Root: "/srv/blog", Proxies: []string{"http://10.0.0.7:8080/"}}}, h.VirtualHosts)
	require.Equal(t, []inventory.RuleSet{{Tool: "firewalld", Rules: []string{"public (active)", "  target: default", "  interfaces: eth0", "  services: http ssh"}}}, h.Firewall)
	require.Equal(t, int64(42), h.Time.Off)
	require.False(t, *h.Time.Synchronized)

	missing := missingReasons(h)
	require.Equal(t, inventory.Denied, missing["nftables"])
	require.Equal(t, inventory.Denied, missing["sshd"], "where keys are is not known for sure")
	require.Equal(t, inventory.Denied, missing["tree"])
	require.Equal(t, inventory.Denied, missing["tree-sums"])
	require.Equal(t, inventory.Denied, missing["passwords"])
	require.Equal(t, inventory.Denied, missing["programs"])
	require.NotContains(t, missing, "containers", "a host without them lacks nothing")
	require.Equal(t, "tcp", h.Listeners[0].Protocol)
	require.False(t, h.Listeners[0].Cause.Explained(), "a plain user does not see whose it is")
}

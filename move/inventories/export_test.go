package inventories

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/move/wiring"
)

// exportSite is a site whose web1 and db1 have clones, and whose web2 has none.
func exportSite(t *testing.T) *Inventory {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hosts.json"), []byte(`{
		"web1": {"name": "web1", "public": "198.51.100.1", "private": "10.9.0.1"},
		"db1": {"name": "db1", "public": "198.51.100.3", "private": "10.9.0.3"}}`), 0o600))
	c := &config.Config{StateDir: dir}
	c.Provision.DigitalOcean.PublicPorts = map[string][]int{"web": {80}}
	site, err := wiring.Open(c)
	require.NoError(t, err)
	v := Of(site)
	const text = "listen 192.0.2.1; allow 192.0.2.2; db 10.0.0.3; bridge 172.17.0.1; other 192.0.2.30; tunnel 10.66.0.3 vip 10.0.0.100\n"
	content, err := v.objects().Put([]byte(text))
	require.NoError(t, err)
	for i, h := range []struct {
		name, role, public, private string
		virtual                     []string
		more                        []inventory.Interface
	}{
		{"web1", "web", "192.0.2.1", "10.0.0.1", []string{"10.0.0.100/32"}, nil},
		{"web2", "web", "192.0.2.2", "10.0.0.2", nil, nil},
		{"db1", "db", "192.0.2.3", "10.0.0.3", nil, []inventory.Interface{{Name: "wg0", Addresses: []string{"10.66.0.3/24"}}}},
	} {
		c.Hosts = append(c.Hosts, config.Host{Name: h.name, Address: config.Addr{Addr: netip.MustParseAddr(h.public)}, Roles: []string{h.role}})
		require.NoError(t, inventory.Save(v.dir(), &inventory.Host{
			Version: inventory.Version, Name: h.name, Roles: []string{h.role}, OS: inventory.OS{ID: "debian"}, CPU: inventory.CPU{Count: i},
			Network: inventory.Network{
				Interfaces: append([]inventory.Interface{
					{Name: "eth0", Addresses: append([]string{h.public + "/24", h.private + "/24", "fe80::1/64"}, h.virtual...)}, {Name: "docker0", Addresses: []string{"172.17.0.1/16"}},
				}, h.more...),
				Routes: []string{"10.66.0.0/24 dev wg0 scope link", "default via 192.0.2.254 dev eth0 proto static"},
			},
			Configuration: []inventory.File{{Path: "/etc/site.conf", Kind: "file", Mode: "0644", Owner: "root", Group: "root", Content: content}},
		}))
	}
	return v
}

// A host gets the private addresses of others, and its own public one if it serves the
// public. An address that two hosts have, or whose host has no clone, stays.
func TestExportKnowsNewAddresses(t *testing.T) {
	v := exportSite(t)
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, v.Export(&out, "cloud-init", dir, false))
	require.Contains(t, out.String(), "still stand in files (REWRITTEN.md)")
	all := ""
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	require.NoError(t, err)
	more, err := filepath.Glob(filepath.Join(dir, "hosts", "*.yaml"))
	require.NoError(t, err)
	for _, name := range append(files, more...) {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		all += string(text)
	}
	require.Contains(t, all, "listen 198.51.100.1; allow 192.0.2.2; db 10.9.0.3; bridge 172.17.0.1; other 192.0.2.30", "on web1")
	require.Contains(t, all, "listen 10.9.0.1; allow 192.0.2.2; db 10.9.0.3; bridge 172.17.0.1; other 192.0.2.30", "on the others")
	report, err := os.ReadFile(filepath.Join(dir, "REWRITTEN.md"))
	require.NoError(t, err)
	require.Contains(t, string(report), "- `/etc/site.conf:1`: `192.0.2.1` → `198.51.100.1` on web1\n")
	require.Contains(t, string(report), "- `/etc/site.conf:1`: `192.0.2.2` on db1, web1, web2\n")
	require.NotContains(t, string(report), "172.17")
	for _, old := range []string{"10.66.0.3", "10.0.0.100"} { // a tunnel's, and one that goes from host to host
		require.Contains(t, string(report), "- `/etc/site.conf:1`: `"+old+"` on db1, web1, web2\n")
	}
}

// An export of some hosts does not contain the others.
func TestExportOfSomeHosts(t *testing.T) {
	v := exportSite(t)
	dir := filepath.Join(t.TempDir(), "out")
	var out bytes.Buffer
	require.NoError(t, v.Export(&out, "ansible", dir, true, "db1"))
	hosts, err := os.ReadFile(filepath.Join(dir, "hosts.yml"))
	require.NoError(t, err)
	require.Contains(t, string(hosts), `db1: {ansible_host: "198.51.100.3"}`)
	require.NotContains(t, string(hosts), "web1")
	require.Contains(t, out.String(), `"not_exported": []`)
}

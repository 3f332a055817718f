package findings_test

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/findings"
)

// oldAddressesIn returns where and what Find reports of old addresses in a
// configuration file of web1. The old hosts are web1 and db1.
func oldAddressesIn(t *testing.T, text string) []string {
	t.Helper()
	objects := inventory.NewObjects(filepath.Join(t.TempDir(), "objects"))
	name, err := objects.Put([]byte(text))
	require.NoError(t, err)
	web := &inventory.Host{Name: "web1", Configuration: []inventory.File{{Path: "/etc/app.conf", Kind: "file", Content: name}}}
	db := &inventory.Host{Name: "db1", Network: inventory.Network{
		Hostname: "db1", FQDN: "db1.example.com",
		Interfaces: []inventory.Interface{{Name: "eth0", Addresses: []string{"10.0.0.5/24", "2001:db8::5/64", "fe80::5/64"}}, {Name: "lo", Addresses: []string{"127.0.0.1/8"}}},
	}}
	site := findings.Site{Old: map[string][]netip.Addr{"web1": {netip.MustParseAddr("192.0.2.10")}, "db1": nil}, Objects: objects, Now: time.Unix(0, 0)}
	found, err := findings.Find([]*inventory.Host{web, db}, site)
	require.NoError(t, err)
	var got []string
	for _, f := range found {
		if f.Kind == findings.KindAddress {
			got = append(got, f.Where+" "+f.Text)
		}
	}
	return got
}

func TestOldAddressesInText(t *testing.T) {
	for _, c := range []struct{ name, line, old string }{
		{"alone", "10.0.0.5", "10.0.0.5 of db1"},
		{"port", "db = 10.0.0.5:3306", "10.0.0.5 of db1"},
		{"end of a sentence", "It is 10.0.0.5.", "10.0.0.5 of db1"},
		{"protocol in front", "upstream tcp:10.0.0.5:3306", "10.0.0.5 of db1"},
		{"range", "allow 10.0.0.5-10.0.0.20", "10.0.0.5 of db1"},
		{"last of a range", "allow 10.0.0.1-10.0.0.5", "10.0.0.5 of db1"},
		{"network", "allow 10.0.0.5/24;", "10.0.0.5 of db1"},
		{"escaped dots", `^10\.0\.0\.5$`, "10.0.0.5 of db1"},
		{"dots in brackets", "10[.]0[.]0[.]5", "10.0.0.5 of db1"},
		{"reverse lookup", "5.0.0.10.in-addr.arpa. PTR db", "10.0.0.5 of db1"},
		{"name made of an address", "https://10.0.0.5.nip.io/", "10.0.0.5 of db1"},
		{"version", `"version": "10.0.0.5"`, "10.0.0.5 of db1"},
		{"IPv6", "listen [2001:db8::5]:80;", "2001:db8::5 of db1"},
		{"IPv6 in another spelling", "2001:0DB8:0::5", "2001:db8::5 of db1"},
		{"IPv4 in IPv6", "::ffff:10.0.0.5", "10.0.0.5 of db1"},
		{"host name", "rsync /srv db1:/backup", "db1 of db1"},
		{"full name", "define('DB_HOST', 'db1.example.com');", "db1.example.com of db1"},
		{"protocol in front of a name", "tcp:db1:3306", "db1 of db1"},
		{"two hosts, sorted by name", "192.0.2.10 10.0.0.5", "10.0.0.5 of db1"},

		{"longer number", "10.0.0.55", ""},
		{"longer number in front", "110.0.0.5", ""},
		{"longer address", "10.0.0.5.1", ""},
		{"version with a letter", "v10.0.0.5", ""},
		{"longer name", "db1.example.org db1-old my-db1", ""},
		{"comment", "# was 10.0.0.5", ""},
		{"comment of PHP", "  // was 10.0.0.5", ""},
		{"comment of an ini file", "; was 10.0.0.5", ""},
		{"link-local address", "fe80::5", ""},
		{"loopback address", "127.0.0.1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			if c.old != "" {
				want = []string{"/etc/app.conf:2 " + c.old + ": " + c.line}
			}
			require.Equal(t, want, oldAddressesIn(t, "first\n"+c.line+"\nlast\n"))
		})
	}
}

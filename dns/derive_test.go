package dns_test

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/report"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	oldWeb, newWeb   = netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("203.0.113.10")
	oldApp, newApp   = netip.MustParseAddr("192.0.2.11"), netip.MustParseAddr("203.0.113.11")
	oldWeb6, newWeb6 = netip.MustParseAddr("2001:db8:1::10"), netip.MustParseAddr("2001:db8:2::10")
	oldHosts         = []netip.Addr{oldWeb, oldApp, oldWeb6}
	addresses        = dns.AddressMap{oldWeb: newWeb, oldApp: newApp, oldWeb6: newWeb6}
	elsewhere        = "198.51.100.7"
	comZone, orgZone = dns.Zone{ID: "zone-com", Name: "example.com", Active: true}, dns.Zone{ID: "zone-org", Name: "example.org", Active: true}
	sampleSelection  = dns.Selection{
		Old: oldHosts, Addresses: addresses,
		Exclude: []string{"mail.example.com", "both.example.com/AAAA"},
		Waves: []dns.Wave{
			{Name: "canary", Records: []string{"api.example.com"}},
			{Name: "wild", Records: []string{"*.blogs.example.com", "Bücher.example.org"}},
		},
	}
)

func record(name, kind, content string, change ...func(*dns.Record)) dns.Record {
	r := dns.Record{ID: name + "/" + kind + "/" + content, Name: name, Type: kind, Content: content, TTL: 3600}
	for _, c := range change {
		c(&r)
	}
	return r
}

func proxied(r *dns.Record)   { r.Proxied, r.TTL = true, dns.AutomaticTTL }
func commented(r *dns.Record) { r.Comment, r.Tags = "owned by web", []string{"team:web"} }

func sampleZones() []dns.ZoneRecords {
	return []dns.ZoneRecords{
		{Zone: comZone, Records: []dns.Record{
			record("example.com", "A", oldWeb.String(), proxied),
			record("example.com", "AAAA", "2001:DB8:1:0::10", proxied), // another spelling of oldWeb6
			record("example.com", "MX", "mail.example.com"),
			record("example.com", "TXT", `"v=spf1 ip4:192.0.2.10 ip4:192.0.2.0/28 include:_spf.example.net -all"`),
			record("www.example.com", "CNAME", "example.com", proxied),
			record("api.example.com", "A", oldApp.String(), commented),
			record("mail.example.com", "A", oldWeb.String()),
			record("both.example.com", "A", oldWeb.String()),
			record("both.example.com", "AAAA", oldWeb6.String()),
			record("mixed.example.com", "A", oldWeb.String()),
			record("mixed.example.com", "A", elsewhere),
			record("static.example.com", "A", elsewhere),
			record("*.blogs.example.com", "A", oldWeb.String(), commented),
			record("special.blogs.example.com", "TXT", "stops the wildcard"),
			record("alias.example.com", "CNAME", "anything.blogs.example.com"),
			record("stopped.example.com", "CNAME", "x.special.blogs.example.com"),
			record("out.example.com", "CNAME", "shop.example.net"),
			record("_sip._tcp.example.com", "SRV", "10 5 5060 api.example.com"),
			record("svc.example.com", "HTTPS", `1 . ipv4hint="192.0.2.10,198.51.100.7"`),
			record("ptr.example.com", "TXT", "listens on 192.0.2.11:8080"),
			record("near.example.com", "TXT", "192.0.2.100 is another host"),
		}},
		{Zone: orgZone, Records: []dns.Record{
			record("xn--bcher-kva.example.org", "A", oldApp.String()),
			record("done.example.org", "A", newWeb.String()), // flipped before a run was cut short
			record("chain.example.org", "CNAME", "www.example.com"),
			record("loop.example.org", "CNAME", "pool.example.org"),
			record("pool.example.org", "CNAME", "loop.example.org"),
		}},
	}
}

func TestDerive(t *testing.T) {
	d, err := dns.Derive(sampleZones(), sampleSelection)
	require.NoError(t, err)
	require.Equal(t, []string{"canary", "wild", "rest"}, d.Waves)
	golden(t, "derivation.json", d)
}

func TestDeriveHazardsAndFollowersReadWell(t *testing.T) {
	d, err := dns.Derive(sampleZones(), sampleSelection)
	require.NoError(t, err)
	var lines []string
	for _, z := range d.Zones {
		for _, f := range z.Followers {
			lines = append(lines, f.String())
		}
		for _, h := range z.Hazards() {
			lines = append(lines, h.Text)
		}
	}
	golden(t, "findings.json", lines)
}

// An interrupted flip is continued with the same plan: Derive finds the same records
// before, during and after the flip.
func TestDeriveFindsTheSameRecordsAfterTheFlip(t *testing.T) {
	before, err := dns.Derive(sampleZones(), sampleSelection)
	require.NoError(t, err)
	flipped := sampleZones()
	for z := range flipped {
		for i, r := range flipped[z].Records {
			for old, to := range addresses {
				if a, err := netip.ParseAddr(r.Content); err == nil && a == old && r.Name != "mail.example.com" && r.ID != "both.example.com/AAAA/"+oldWeb6.String() {
					flipped[z].Records[i].Content = to.String()
				}
			}
		}
	}
	after, err := dns.Derive(flipped, sampleSelection)
	require.NoError(t, err)
	require.Equal(t, ids(before), ids(after))
	require.Equal(t, before.Waves, after.Waves)
	for i := range before.Zones {
		require.Equal(t, before.Zones[i].Hazards(), after.Zones[i].Hazards())
	}
}

func TestDeriveBeforeTheTargetExists(t *testing.T) {
	sel := sampleSelection
	sel.Addresses = dns.AddressMap{}
	d, err := dns.Derive(sampleZones(), sel)
	require.NoError(t, err)
	with, err := dns.Derive(sampleZones(), sampleSelection)
	require.NoError(t, err)
	require.Len(t, ids(with), len(ids(d))+1, "only the record that is flipped already is missing")
}

func ids(d dns.Derivation) []string {
	var out []string
	for _, z := range d.Zones {
		for _, w := range z.Waves {
			for _, e := range w.Entries {
				out = append(out, w.Wave+" "+e.Record.ID+" "+e.Old.String())
			}
		}
	}
	return out
}

func TestDeriveRefuses(t *testing.T) {
	cases := map[string]struct {
		change func(*dns.Selection, []dns.ZoneRecords)
		err    string
		hint   string
	}{
		"nothing flips": {
			func(s *dns.Selection, _ []dns.ZoneRecords) {
				s.Old, s.Exclude, s.Waves = []netip.Addr{netip.MustParseAddr("192.0.2.99")}, nil, nil
			},
			"no record of example.com, example.org has a source host's address (192.0.2.99)", "hosts[].address",
		},
		"an exclusion that names nothing": {
			func(s *dns.Selection, _ []dns.ZoneRecords) { s.Exclude = append(s.Exclude, "mial.example.com") },
			`dns.exclude: no record "mial.example.com"`, "misspelt",
		},
		"an exclusion of a type that is not there": {
			func(s *dns.Selection, _ []dns.ZoneRecords) { s.Exclude = append(s.Exclude, "api.example.com/AAAA") },
			`no record "api.example.com/AAAA"`, "misspelt",
		},
		"a wave that names a CNAME": {
			func(s *dns.Selection, _ []dns.ZoneRecords) {
				s.Waves = append(s.Waves, dns.Wave{Name: "late", Records: []string{"www.example.com"}})
			},
			"www.example.com of wave late does not flip: it is CNAME example.com", "a CNAME flips with",
		},
		"a wave that names nothing": {
			func(s *dns.Selection, _ []dns.ZoneRecords) {
				s.Waves = append(s.Waves, dns.Wave{Name: "late", Records: []string{"nowhere.example.com"}})
			},
			"there is no such record", "a CNAME flips with",
		},
		"a record in two waves": {
			func(s *dns.Selection, _ []dns.ZoneRecords) {
				s.Waves = append(s.Waves, dns.Wave{Name: "late", Records: []string{"api.example.com"}})
			},
			"api.example.com is in the waves canary and late", "keep it in one",
		},
		"two records that would be identical": {
			func(_ *dns.Selection, zones []dns.ZoneRecords) {
				zones[0].Records = append(zones[0].Records, record("api.example.com", "A", newApp.String()))
			},
			"two records would both become 203.0.113.11", "delete one of the two",
		},
		"a target with a source's address": {
			func(s *dns.Selection, _ []dns.ZoneRecords) {
				s.Addresses = dns.AddressMap{oldWeb: oldApp, oldApp: newApp, oldWeb6: newWeb6}
			},
			"target address 192.0.2.11 for 192.0.2.10 is a source host's address", "an address of its own",
		},
		"an address of the other family": {
			func(s *dns.Selection, _ []dns.ZoneRecords) {
				s.Addresses = dns.AddressMap{oldWeb: newWeb, oldApp: newApp, oldWeb6: newWeb}
			},
			"a record cannot change its type", "same family",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			sel, zones := sampleSelection, sampleZones()
			c.change(&sel, zones)
			_, err := dns.Derive(zones, sel)
			require.ErrorContains(t, err, c.err)
			require.Contains(t, report.Hint(err), c.hint)
		})
	}
}

func golden(t *testing.T, name string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	require.NoError(t, err)
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run the test with -update")
	require.JSONEq(t, string(want), string(got))
}

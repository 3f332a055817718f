package dns

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLeadTo(t *testing.T) {
	a, b := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::7")
	zone := ZoneRecords{Records: []Record{
		{Name: "www.example.net", Type: "A", Content: "198.51.100.7"},
		{Name: "old.example.net", Type: "A", Content: "192.0.2.10"},
		{Name: "www.example.net", Type: "AAAA", Content: "2001:0db8:0::7"},
		{Name: "mapped.example.net", Type: "AAAA", Content: "::ffff:198.51.100.7"},
		{Name: "*.example.net", Type: "A", Content: "198.51.100.7", Proxied: true},
		{Name: "svc.example.net", Type: "HTTPS", Content: `1 . ipv4hint="192.0.2.1,198.51.100.7"`},
		{Name: "example.net", Type: "TXT", Content: `"v=spf1 ip4:198.51.100.7 -all"`},
		{Name: "alias.example.net", Type: "CNAME", Content: "www.example.net"},
	}}
	require.Equal(t, []string{"www.example.net A", "www.example.net AAAA", "mapped.example.net AAAA", "*.example.net A", "svc.example.net HTTPS"},
		LeadTo([]ZoneRecords{zone}, []netip.Addr{a, b}))
	require.Empty(t, LeadTo([]ZoneRecords{zone}, nil))
}

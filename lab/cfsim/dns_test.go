package cfsim_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
)

var edgeAddrs = []netip.Addr{netip.MustParseAddr("10.213.0.80"), netip.MustParseAddr("fd00::80")}

func startDNS(t *testing.T, sim *cfsim.Sim) *cfsim.DNSServer {
	t.Helper()
	server, err := sim.ServeDNS("127.0.0.1:0", cfsim.DNSOptions{Edge: edgeAddrs})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

func query(t *testing.T, server *cfsim.DNSServer, network, name, kind string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.StringToType[kind])
	client := &dns.Client{Net: network, Timeout: 5 * time.Second}
	reply, _, err := client.ExchangeContext(t.Context(), m, server.Addr())
	require.NoError(t, err)
	return reply
}

// presentationLines returns records in presentation form with single spaces.
func presentationLines(rrs []dns.RR) []string {
	out := []string{}
	for _, rr := range rrs {
		out = append(out, strings.Join(strings.Fields(rr.String()), " "))
	}
	return out
}

func dnsZones(t *testing.T) *cfsim.Sim {
	t.Helper()
	sim := cfsim.New(cfsim.Options{Token: token, Propagation: -1, Plan: cfsim.PlanPro})
	var long []string
	for range 3 {
		long = append(long, strings.Repeat("x", 200))
	}
	_, err := sim.AddZone("example.com",
		cfsim.Record{Type: "CNAME", Name: "@", Content: "plain.example.net"},
		cfsim.Record{Type: "MX", Name: "@", Content: "mx.example.com", Priority: 10, TTL: 3600},
		cfsim.Record{Type: "TXT", Name: "@", Content: "v=spf1 -all"},
		cfsim.Record{Type: "A", Name: "www", Content: "192.0.2.1", Proxied: true},
		cfsim.Record{Type: "A", Name: "plain", Content: "192.0.2.2", TTL: 120},
		cfsim.Record{Type: "AAAA", Name: "plain", Content: "2001:db8::2"},
		cfsim.Record{Type: "A", Name: "*", Content: "192.0.2.3", TTL: 60},
		cfsim.Record{Type: "TXT", Name: "text", Content: "here"},
		cfsim.Record{Type: "A", Name: "x.deep", Content: "192.0.2.4"},
		cfsim.Record{Type: "CNAME", Name: "chain", Content: "chain2.example.com", TTL: 90},
		cfsim.Record{Type: "CNAME", Name: "chain2", Content: "plain.example.net"},
		cfsim.Record{Type: "CNAME", Name: "out", Content: "www.example.org"},
		cfsim.Record{Type: "CNAME", Name: "hidden", Content: "www.example.org", Proxied: true},
		cfsim.Record{Type: "CNAME", Name: "edgy", Content: "www.example.com"},
		cfsim.Record{Type: "CNAME", Name: "flat", Content: "plain.example.net", Settings: map[string]any{"flatten_cname": true}},
		cfsim.Record{Type: "CNAME", Name: "loop1", Content: "loop2.example.com"},
		cfsim.Record{Type: "CNAME", Name: "loop2", Content: "loop1.example.com"},
		cfsim.Record{Type: "TXT", Name: "long", Content: strings.Join(long, "")},
		cfsim.Record{Type: "SRV", Name: "_sip._tcp", Content: "10 5 5060 sip.example.com"},
		cfsim.Record{Type: "CAA", Name: "@", Content: `0 issue "letsencrypt.org"`},
		cfsim.Record{Type: "NS", Name: "sub", Content: "ns1.example.org"},
		cfsim.Record{Type: "TXT", Name: "quoted", Content: `"a \"b\"" "c;d"`},
	)
	require.NoError(t, err)
	_, err = sim.AddZone("example.net", cfsim.Record{Type: "A", Name: "plain", Content: "192.0.2.9", TTL: 600})
	require.NoError(t, err)
	return sim
}

func TestDNSAnswers(t *testing.T) {
	server := startDNS(t, dnsZones(t))
	cases := []struct {
		name, kind string
		rcode      int
		answer     []string
	}{
		{"www.example.com", "A", 0, []string{"www.example.com. 300 IN A 10.213.0.80"}},
		{"wWw.ExAmple.com", "A", 0, []string{"wWw.ExAmple.com. 300 IN A 10.213.0.80"}},
		{"www.example.com", "AAAA", 0, []string{"www.example.com. 300 IN AAAA fd00::80"}},
		{"www.example.com", "CNAME", 0, nil},
		{"www.example.com", "TXT", 0, nil},
		{"plain.example.com", "A", 0, []string{"plain.example.com. 120 IN A 192.0.2.2"}},
		{"plain.example.com", "AAAA", 0, []string{"plain.example.com. 300 IN AAAA 2001:db8::2"}},
		{"any.example.com", "A", 0, []string{"any.example.com. 60 IN A 192.0.2.3"}},
		{"a.b.c.example.com", "A", 0, []string{"a.b.c.example.com. 60 IN A 192.0.2.3"}},
		{"*.example.com", "A", 0, []string{"*.example.com. 60 IN A 192.0.2.3"}},
		{"any.example.com", "MX", 0, nil},
		{"text.example.com", "A", 0, nil},
		{"below.text.example.com", "A", dns.RcodeNameError, nil},
		{"deep.example.com", "A", 0, nil},
		{"y.deep.example.com", "A", dns.RcodeNameError, nil},
		{"chain.example.com", "A", 0, []string{"chain.example.com. 90 IN CNAME chain2.example.com.", "chain2.example.com. 300 IN CNAME plain.example.net.", "plain.example.net. 600 IN A 192.0.2.9"}},
		{"chain.example.com", "CNAME", 0, []string{"chain.example.com. 90 IN CNAME chain2.example.com."}},
		{"out.example.com", "A", 0, []string{"out.example.com. 300 IN CNAME www.example.org."}},
		{"hidden.example.com", "A", 0, []string{"hidden.example.com. 300 IN A 10.213.0.80"}},
		{"hidden.example.com", "CNAME", 0, nil},
		{"edgy.example.com", "A", 0, []string{"edgy.example.com. 300 IN CNAME www.example.com.", "www.example.com. 300 IN A 10.213.0.80"}},
		{"example.com", "A", 0, []string{"example.com. 300 IN A 192.0.2.9"}},
		{"example.com", "CNAME", 0, nil},
		{"flat.example.com", "A", 0, []string{"flat.example.com. 300 IN A 192.0.2.9"}},
		{"loop1.example.com", "A", dns.RcodeServerFailure, nil},
		{"example.com", "MX", 0, []string{"example.com. 3600 IN MX 10 mx.example.com."}},
		{"example.com", "TXT", 0, []string{`example.com. 300 IN TXT "v=spf1 -all"`}},
		{"quoted.example.com", "TXT", 0, []string{`quoted.example.com. 300 IN TXT "a \"b\"" "c;d"`}},
		{"example.com", "NS", 0, []string{"example.com. 86400 IN NS ada.ns.cloudflare.com.", "example.com. 86400 IN NS bob.ns.cloudflare.com."}},
		{"example.com", "CAA", 0, []string{`example.com. 300 IN CAA 0 issue "letsencrypt.org"`}},
		{"_sip._tcp.example.com", "SRV", 0, []string{"_sip._tcp.example.com. 300 IN SRV 10 5 5060 sip.example.com."}},
		{"www.example.com", "ANY", 0, []string{`www.example.com. 3789 IN HINFO "RFC8482" ""`}},
		{"none.example.net", "A", dns.RcodeNameError, nil},
		{"example.org", "A", dns.RcodeRefused, nil},
	}
	for _, c := range cases {
		t.Run(c.name+" "+c.kind, func(t *testing.T) {
			for _, network := range []string{"udp", "tcp"} {
				reply := query(t, server, network, c.name, c.kind)
				require.Equal(t, c.rcode, reply.Rcode)
				if c.rcode == dns.RcodeServerFailure {
					return
				}
				require.ElementsMatch(t, c.answer, presentationLines(reply.Answer))
				require.Equal(t, c.rcode != dns.RcodeRefused, reply.Authoritative)
				if len(c.answer) == 0 && c.rcode != dns.RcodeRefused { // NODATA or NXDOMAIN
					require.Len(t, reply.Ns, 1)
					require.IsType(t, &dns.SOA{}, reply.Ns[0])
				}
			}
		})
	}
}

func TestDNSDelegatesAndTruncates(t *testing.T) {
	sim := dnsZones(t)
	server := startDNS(t, sim)
	referral := query(t, server, "udp", "a.sub.example.com", "A")
	require.False(t, referral.Authoritative)
	require.Equal(t, []string{"sub.example.com. 300 IN NS ns1.example.org."}, presentationLines(referral.Ns))
	require.Empty(t, referral.Answer)

	require.True(t, query(t, server, "udp", "long.example.com", "TXT").Truncated, "600 bytes do not fit in 512")
	whole := query(t, server, "tcp", "long.example.com", "TXT")
	require.Equal(t, []int{255, 255, 90}, stringLengths(whole.Answer[0].(*dns.TXT).Txt))

	m := new(dns.Msg)
	m.SetQuestion("long.example.com.", dns.TypeTXT)
	m.SetEdns0(1232, false)
	reply, _, err := new(dns.Client).ExchangeContext(t.Context(), m, server.Addr())
	require.NoError(t, err)
	require.False(t, reply.Truncated)
	require.NotNil(t, reply.IsEdns0())

	m = new(dns.Msg)
	m.SetNotify("example.com.")
	reply, err = dns.ExchangeContext(t.Context(), m, server.Addr())
	require.NoError(t, err)
	require.Equal(t, dns.RcodeNotImplemented, reply.Rcode)
}

func stringLengths(in []string) (out []int) {
	for _, s := range in {
		out = append(out, len(s))
	}
	return out
}

// TestDNSFollowsChanges: a change is visible when it has propagated, and increments the
// zone's serial.
func TestDNSFollowsChanges(t *testing.T) {
	c := newClock()
	l := newLab(t, cfsim.Options{Now: c.Now, Propagation: time.Second}, cfsim.Record{Type: "A", Name: "a.b", Content: "192.0.2.1", TTL: 60})
	server := startDNS(t, l.Sim)
	serial := func() uint32 { return query(t, server, "udp", zoneName, "SOA").Answer[0].(*dns.SOA).Serial }
	before := serial()
	ask := func(name string) string {
		reply := query(t, server, "udp", name, "A")
		return dns.RcodeToString[reply.Rcode] + strings.Join(presentationLines(reply.Answer), "")
	}
	const one, two = "NOERRORa.b.example.com. 60 IN A 192.0.2.1", "NOERRORc.d.example.com. 60 IN A 192.0.2.2"
	path := recordsPath + "/" + l.Records(zoneName)[0].ID
	require.Equal(t, 200, l.do(http.MethodPatch, path, `{"name":"c.d","content":"192.0.2.2"}`).Status)
	require.Equal(t, before+1, serial())
	require.Equal(t, []string{one, "NXDOMAIN", "NOERROR"}, []string{ask("a.b.example.com"), ask("c.d.example.com"), ask("b.example.com")})
	c.Advance(1501 * time.Millisecond)
	require.Equal(t, []string{"NXDOMAIN", two, "NXDOMAIN", "NOERROR"}, []string{ask("a.b.example.com"), ask("c.d.example.com"), ask("b.example.com"), ask("d.example.com")})

	// Renamed there and back, then deleted: a later change never arrives before an earlier one.
	require.Equal(t, 200, l.do(http.MethodPatch, path, `{"name":"a.b","content":"192.0.2.1"}`).Status)
	require.Equal(t, 200, l.do(http.MethodPatch, path, `{"name":"c.d"}`).Status)
	require.Equal(t, 200, l.do(http.MethodPatch, path, `{"name":"a.b"}`).Status)
	c.Advance(1501 * time.Millisecond)
	require.Equal(t, []string{one, "NXDOMAIN"}, []string{ask("a.b.example.com"), ask("c.d.example.com")})
	require.Equal(t, 200, l.do(http.MethodDelete, path, "").Status)
	require.Equal(t, one, ask("a.b.example.com"))
	c.Advance(1501 * time.Millisecond)
	require.Equal(t, "NXDOMAIN", ask("a.b.example.com"))
	require.Equal(t, 200, l.do(http.MethodPost, recordsPath, `{"type":"A","name":"e","content":"192.0.2.5"}`).Status)
	c.Advance(1501 * time.Millisecond)
	require.Equal(t, "NOERRORe.example.com. 300 IN A 192.0.2.5", ask("e.example.com"))
	require.Equal(t, "NXDOMAIN", ask("b.example.com"))
}

// TestDig queries with Debian's dig.
func TestDig(t *testing.T) {
	dig, err := exec.LookPath("dig")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("dig is missing: install bind9-dnsutils")
		}
		t.Skip("dig is missing: install bind9-dnsutils")
	}
	server := startDNS(t, dnsZones(t))
	host, port, err := net.SplitHostPort(server.Addr())
	require.NoError(t, err)
	for _, mode := range []string{"+notcp", "+tcp"} {
		run := func(args ...string) string {
			out, err := exec.CommandContext(t.Context(), dig, append([]string{"@" + host, "-p", port, mode, "+time=5", "+tries=1"}, args...)...).CombinedOutput()
			require.NoError(t, err, string(out))
			return string(out)
		}
		require.Equal(t, "chain2.example.com.\nplain.example.net.\n192.0.2.9\n", run("+short", "chain.example.com", "A"))
		require.Equal(t, "10.213.0.80\n", run("+short", "www.example.com", "A"))
		require.Equal(t, "10 mx.example.com.\n", run("+short", "example.com", "MX"))
		full := run("none.example.net", "A")
		require.Contains(t, full, "status: NXDOMAIN")
		require.Contains(t, full, "flags: qr aa")
		require.NotContains(t, full, "WARNING: recursion requested but not available\n;; Got bad")
		require.Contains(t, full, fmt.Sprintf("SERVER: %s#%s", host, port))
	}
}

package address_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/address"
)

// olds are the old addresses and names of the tests: the first two IPv4 addresses are
// such that the new one of one is the other.
var olds = map[string]string{
	"192.0.2.1": "10.0.0.1", "192.0.2.11": "192.0.2.1", "192.0.2.77": "", "203.0.113.5": "2001:db8:f::5", "198.51.100.7": "db.new.example",
	"2001:db8::1": "2001:db8:f::2", "2001:db8::7": "10.0.0.7",
	"db.old": "10.0.0.9", "db.old.example": "10.0.0.8",
}

type rewriteCase struct {
	name, text, want string
	why              []address.Reason // of each mention, in their order; empty: replaced
}

var replaced = []address.Reason{""}

func stays(why ...address.Reason) []address.Reason { return why }

func check(t *testing.T, cases []rewriteCase) {
	t.Helper()
	r := address.NewRewriter(olds)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, mentions := r.Rewrite(c.text)
			require.Equal(t, c.want, got)
			var why []address.Reason
			for _, m := range mentions {
				why = append(why, m.Why)
				require.Contains(t, c.text, m.Text)
				require.Contains(t, olds, m.Old)
				require.Equal(t, m.Why == "", m.New != "")
			}
			require.Equal(t, c.why, why)
		})
	}
}

// kept is a case in which nothing is replaced.
func kept(name, text string, why ...address.Reason) rewriteCase {
	return rewriteCase{name, text, text, why}
}

func TestRewriteReplacesAddressesThatStandAlone(t *testing.T) {
	check(t, []rewriteCase{
		{"alone", "192.0.2.1", "10.0.0.1", replaced},
		{"end of a sentence", "It is 192.0.2.1.", "It is 10.0.0.1.", replaced},
		{"ellipsis", "...192.0.2.1...", "...10.0.0.1...", replaced},
		{"one pass", "host=192.0.2.1;192.0.2.11", "host=10.0.0.1;192.0.2.1", stays("", "")},
		{"port", "listen 192.0.2.1:80;", "listen 10.0.0.1:80;", replaced},
		{"ports", "192.0.2.1:8000-8010", "10.0.0.1:8000-8010", replaced},
		{"port of dnsmasq", "server=192.0.2.1#53", "server=10.0.0.1#53", replaced},
		{"port of unbound", "forward-addr: 192.0.2.1@853#dns", "forward-addr: 10.0.0.1@853#dns", replaced},
		{"URL", "http://192.0.2.1:80/x", "http://10.0.0.1:80/x", replaced},
		{"URL with a login", "mysql://app:pw@192.0.2.1/24", "mysql://app:pw@10.0.0.1/24", replaced},
		{"URL with a number for a path", "http://192.0.2.1/24", "http://10.0.0.1/24", replaced},
		{"URL with a question", "http://192.0.2.1?x=1", "http://10.0.0.1?x=1", replaced},
		{"URL in a question", "?to=192.0.2.1&x", "?to=10.0.0.1&x", replaced},
		{"login", "ssh root@192.0.2.1", "ssh root@10.0.0.1", replaced},
		{"comma list", "192.0.2.1,192.0.2.11, 192.0.2.1", "10.0.0.1,192.0.2.1, 10.0.0.1", stays("", "", "")},
		{"nginx", "allow 192.0.2.1; deny 192.0.2.11;", "allow 10.0.0.1; deny 192.0.2.1;", stays("", "")},
		{"nginx, a host's length", "allow 192.0.2.1/32;", "allow 10.0.0.1/32;", replaced},
		{"a host's mask", "allow 192.0.2.1/255.255.255.255", "allow 10.0.0.1/255.255.255.255", replaced},
		{"route to a host", "route 192.0.2.1 255.255.255.255", "route 10.0.0.1 255.255.255.255", replaced},
		{"path", "http 192.0.2.1/8080", "http 10.0.0.1/8080", replaced},
		{"path that begins with a number", "192.0.2.1/24h", "10.0.0.1/24h", replaced},
		{"path longer than an address", "192.0.2.1/33", "10.0.0.1/33", replaced},
		{"iptables", "-A INPUT -s 192.0.2.1 -d 192.0.2.11 -j DROP", "-A INPUT -s 10.0.0.1 -d 192.0.2.1 -j DROP", stays("", "")},
		{"iptables, negated", "! -s !192.0.2.1", "! -s !10.0.0.1", replaced},
		{"from and to", "pass from 192.0.2.1 to 192.0.2.11", "pass from 10.0.0.1 to 192.0.2.1", stays("", "")},
		{"option that follows", "ssh 192.0.2.1 -4 -p 80", "ssh 10.0.0.1 -4 -p 80", replaced},
		{"option with its value", "mysql -h192.0.2.1 -uapp", "mysql -h10.0.0.1 -uapp", replaced},
		{"account of a database", "'app'@'192.0.2.1'", "'app'@'10.0.0.1'", replaced},
		{"JSON", `{"hosts":["192.0.2.1"]}`, `{"hosts":["10.0.0.1"]}`, replaced},
		{"escapes of a string", `"a\n192.0.2.1\tdb\n"`, `"a\n10.0.0.1\tdb\n"`, replaced},
		{"log line", "192.0.2.1 - - [10/Oct/2000]", "10.0.0.1 - - [10/Oct/2000]", replaced},
		{"numbered list", "1 - 192.0.2.1", "1 - 10.0.0.1", replaced},
		{"quotation marks", "„192.0.2.1“", "„10.0.0.1“", replaced},
		{"no spaces in the language", "主机192.0.2.1的", "主机10.0.0.1的", replaced},
		{"Latin-1", "f\xfcr 192.0.2.1", "f\xfcr 10.0.0.1", replaced},
		{"postfix", "relayhost = [192.0.2.1]:25", "relayhost = [10.0.0.1]:25", replaced},
		{"path of a share", "//192.0.2.1/share", "//10.0.0.1/share", replaced},
		{"anchors of a pattern", "^192.0.2.1$", "^10.0.0.1$", replaced},
		{"long line", strings.Repeat("192.0.2.1,", 2000), strings.Repeat("10.0.0.1,", 2000), make([]address.Reason, 2000)},
	})
}

func TestRewriteLeavesLongerNumbersAndWords(t *testing.T) {
	for _, text := range []string{
		"", "192.0.2.10", "1192.0.2.1", "192.0.2.1.5", "5.192.0.2.1", "v192.0.2.1", "_192.0.2.1", "192.0.2.1x", "192.0.2.1_", "x.192.0.2.1",
		"192.0.2", "192.0.2.", "192.0.2.01", "192.0.02.1", "192.00.2.1", "2.1", "192,0,2,1", "192.0.2.1e5", "192-0-2-1", "192.0.2.0/24",
		"10.0.0.1", "192.0.2.2-192.0.2.254", "0x192.0.2.1", `\x192.0.2.1`, "192.0.2.100-192.0.2.110",
	} {
		t.Run(text, func(t *testing.T) {
			got, mentions := address.NewRewriter(olds).Rewrite(text)
			require.Equal(t, text, got)
			require.Empty(t, mentions)
		})
	}
}

func TestRewriteKeepsNetworks(t *testing.T) {
	check(t, []rewriteCase{
		kept("length", "allow 192.0.2.1/24;", address.Network),
		kept("length, with spaces", "192.0.2.1 / 24", address.Network),
		kept("length at the end of a sentence", "192.0.2.1/24.", address.Network),
		kept("all", "192.0.2.1/0", address.Network),
		kept("almost a host", "192.0.2.1/31", address.Network),
		kept("mask", "allow 192.0.2.1/255.255.255.0", address.Network),
		kept("inverted mask", "192.0.2.1/0.0.0.255", address.Network),
		kept("mask in a word of its own", "route 192.0.2.1 255.255.255.0", address.Network),
		{"no mask", "192.0.2.1 255.1.255.0", "10.0.0.1 255.1.255.0", replaced},
		kept("netmask", "route add -net 192.0.2.1 netmask 255.255.0.0 dev eth0", address.Network),
		kept("list", "192.0.2.1/24,192.0.2.11/16", address.Network, address.Network),
		kept("negated", "!192.0.2.1/24", address.Network),
		kept("account of a database", "'a'@'192.0.2.1/255.255.255.0'", address.Network),
		kept("IPv6", "allow 2001:db8::1/64;", address.Network),
		kept("IPv6 in brackets", "mynetworks = [2001:db8::1]/64", address.Network),
		kept("mapped", "::ffff:192.0.2.1/120", address.Network),
		kept("of no known new one", "192.0.2.77/24", address.Network),
		{"beside a host", "192.0.2.1/24 192.0.2.1", "192.0.2.1/24 10.0.0.1", stays(address.Network, "")},
	})
}

func TestRewriteKeepsRanges(t *testing.T) {
	check(t, []rewriteCase{
		kept("first", "192.0.2.1-192.0.2.99", address.Range),
		kept("last", "192.0.2.0-192.0.2.11", address.Range),
		kept("both", "192.0.2.1-192.0.2.11", address.Range, address.Range),
		kept("spaces", "192.0.2.1 - 192.0.2.11", address.Range, address.Range),
		kept("a space", "192.0.2.1- 192.0.2.11", address.Range, address.Range),
		kept("en dash", "192.0.2.1–192.0.2.11", address.Range, address.Range),
		kept("dots", "192.0.2.1..192.0.2.11", address.Range, address.Range),
		kept("tilde", "192.0.2.1~192.0.2.11", address.Range, address.Range),
		kept("last number", "192.0.2.1-20", address.Range),
		kept("last number, with spaces", "192.0.2.1 - 20", address.Range),
		kept("iptables", "-m iprange --src-range 192.0.2.1-192.0.2.11 -j ACCEPT", address.Range, address.Range),
		kept("ipset", "add home 192.0.2.1-192.0.2.9", address.Range),
		kept("dnsmasq", "dhcp-range=192.0.2.1,192.0.2.11,12h", address.Range, address.Range),
		kept("dnsmasq, with a tag", "dhcp-range=set:x,192.0.2.1,192.0.2.11", address.Range, address.Range),
		kept("dnsmasq, an option", "dnsmasq --dhcp-range 192.0.2.1,192.0.2.11", address.Range, address.Range),
		kept("dhcpd", "  range 192.0.2.1 192.0.2.11;", address.Range, address.Range),
		kept("IPv6", "2001:db8::1-2001:db8::7", address.Range, address.Range),
		kept("IPv6, the last number", "2001:db8::1-ff", address.Range),
		kept("IPv6 in brackets", "[2001:db8::1]-[2001:db8::7]", address.Range, address.Range),
		{"beside a host", "192.0.2.1-192.0.2.9,192.0.2.1", "192.0.2.1-192.0.2.9,10.0.0.1", stays(address.Range, "")},
		{"lines", "192.0.2.1\n- 192.0.2.11\n", "10.0.0.1\n- 192.0.2.1\n", stays("", "")},
	})
}

func TestRewriteKeepsWhatOnlyNamesAnAddress(t *testing.T) {
	check(t, []rewriteCase{
		kept("pattern", `^192\.0\.2\.1$`, address.Pattern),
		kept("pattern in a string", `"192\\.0\\.2\\.1"`, address.Pattern),
		kept("pattern with sets", "192[.]0[.]2[.]1", address.Pattern),
		kept("pattern that goes on", `192.0.2.1[0-9]`, address.Pattern),
		kept("pattern with a class", `192.0.2.1\d?`, address.Pattern),
		kept("braces", "192.0.2.1{0,1}", address.Pattern),
		kept("glob", "192.0.2.1*", address.Pattern),
		kept("wildcard of a database", "'app'@'192.0.2.1%'", address.Pattern),
		kept("reverse lookup", "1.2.0.192.in-addr.arpa. PTR db", address.Reverse),
		kept("reverse lookup of IPv6", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", address.Reverse),
		kept("name", "https://192.0.2.1.nip.io/", address.Part),
		kept("name of a file", "app-192.0.2.1/bin", address.Part),
		kept("longer name", "192.0.2.1-db", address.Part),
		kept("version of a package", "192.0.2.1-1ubuntu2", address.Part),
		kept("version with a suffix", "192.0.2.1+dfsg 192.0.2.1~rc1", address.Part, address.Part),
		kept("version", `"version": "192.0.2.1"`, address.Version),
		kept("least version", "Depends: app (>= 192.0.2.1)", address.Version),
		kept("interface", "2001:db8::1%eth0", address.Zone),
		kept("interface in brackets", "[2001:db8::1%25eth0]:80", address.Encoded),
		kept("percent-encoded", "?to=http%3A%2F%2F192.0.2.1%3A80", address.Encoded),
		kept("space, percent-encoded", "x%20192.0.2.1", address.Encoded),
		kept("unknown", "server 192.0.2.77:80;", address.NoNew),
		kept("binary", "192.0.2.1\x00", address.Binary),
	})
}

func TestRewriteKnowsOtherReverseNames(t *testing.T) {
	// It is the name of 1.2.0.192, whatever stands in it.
	got, mentions := address.NewRewriter(olds).Rewrite("192.0.2.1.in-addr.arpa 2.0.192.in-addr.arpa")
	require.Equal(t, "192.0.2.1.in-addr.arpa 2.0.192.in-addr.arpa", got)
	require.Empty(t, mentions)
}

func TestRewriteKnowsIPv6(t *testing.T) {
	check(t, []rewriteCase{
		{"alone", "2001:db8::1", "2001:db8:f::2", replaced},
		{"port", "[2001:db8::1]:80", "[2001:db8:f::2]:80", replaced},
		{"other spellings", "2001:DB8:0::1 2001:0db8:0:0:0:0:0:0001", "2001:db8:f::2 2001:db8:f::2", stays("", "")},
		{"end of a sentence", "It is 2001:db8::1.", "It is 2001:db8:f::2.", replaced},
		{"colon", "2001:db8::1: refused", "2001:db8:f::2: refused", replaced},
		{"key that ends in a digit of such a number", "old:2001:db8::1", "old:2001:db8:f::2", replaced},
		{"key that ends in letters of such a number", "fade:2001:db8::1 x2001:2001:db8::1", "fade:2001:db8::1 x2001:2001:db8:f::2", replaced},
		{"option with its value", "ping -6 -h2001:db8::1", "ping -6 -h2001:db8:f::2", replaced},
		{"escapes of a string", `"\n2001:db8::1"`, `"\n2001:db8:f::2"`, replaced},
		{"key", "host:2001:db8::1", "host:2001:db8:f::2", replaced},
		{"a host's length", "2001:db8::1/128", "2001:db8:f::2/128", replaced},
		{"mapped", "::ffff:192.0.2.1", "::ffff:10.0.0.1", replaced},
		{"mapped, with a port", "[::FFFF:192.0.2.1]:80", "[::ffff:10.0.0.1]:80", replaced},
		{"mapped, a host's length", "::ffff:192.0.2.1/128", "::ffff:10.0.0.1/128", replaced},
		{"mapped, hexadecimal", "::ffff:c000:201", "::ffff:10.0.0.1", replaced},
		{"translated", "64:ff9b::192.0.2.1", "64:ff9b::10.0.0.1", replaced},
		{"key and port", "cafe:192.0.2.1:80", "cafe:10.0.0.1:80", replaced},
	})
	for _, text := range []string{
		"2001:db8::1:2", "2001:db8::12", "2001:db8::1f", "x2001:db8::1", "2001:db8::1x", "a:2001:db8::1", "12001:db8::1", "1.2001:db8::1",
		"2001:db8:1::1", "2001:db8:a::192.0.2.1", "::192.0.2.1", "std::vector", "aa:bb:cc:dd:ee:ff", "12:30:45", "::", ":", ":::",
	} {
		t.Run("not "+text, func(t *testing.T) {
			got, mentions := address.NewRewriter(olds).Rewrite(text)
			require.Equal(t, text, got)
			require.Empty(t, mentions)
		})
	}
}

func TestRewriteChangesTheFamily(t *testing.T) {
	check(t, []rewriteCase{
		{"alone", "2001:db8::7", "10.0.0.7", replaced},
		{"port", "[2001:db8::7]:80", "10.0.0.7:80", replaced},
		{"URL", "http://[2001:db8::7]/x", "http://10.0.0.7/x", replaced},
		{"URL with a login", "http://u@[2001:db8::7]:80/x", "http://u@10.0.0.7:80/x", replaced},
		{"a host's length", "allow 2001:db8::7/128;", "allow 10.0.0.7/32;", replaced},
		{"a host's length in brackets", "mynetworks = [2001:db8::7]/128 x", "mynetworks = 10.0.0.7/32 x", replaced},
		kept("brackets alone", "[2001:db8::7]", address.Form),
		{"to IPv6", "203.0.113.5", "2001:db8:f::5", replaced},
		{"to IPv6, a port", "203.0.113.5:80", "[2001:db8:f::5]:80", replaced},
		{"to IPv6, a port in brackets", "[203.0.113.5]:80", "[2001:db8:f::5]:80", replaced},
		{"to IPv6, a URL", "http://203.0.113.5/24", "http://[2001:db8:f::5]/24", replaced},
		{"to IPv6, a host's length", "203.0.113.5/32", "2001:db8:f::5/128", replaced},
		{"to IPv6, a host's length in brackets", "[203.0.113.5]/32", "[2001:db8:f::5]/128", replaced},
		{"to IPv6, a host's mask", "203.0.113.5/255.255.255.255", "2001:db8:f::5/128", replaced},
		{"to IPv6, mapped", "[::ffff:203.0.113.5]:80", "[2001:db8:f::5]:80", replaced},
		kept("to IPv6, translated", "64:ff9b::203.0.113.5", address.Form),
		{"to a name", "198.51.100.7:80", "db.new.example:80", replaced},
		kept("to a name, a host's length", "198.51.100.7/32", address.Form),
		{"to a name, a URL", "http://198.51.100.7/32", "http://db.new.example/32", replaced},
		kept("to a name, mapped", "::ffff:198.51.100.7", address.Form),
		kept("to a name, in brackets", "[198.51.100.7]", address.Form),
	})
}

func TestRewriteReplacesNames(t *testing.T) {
	check(t, []rewriteCase{
		{"alone", "db.old", "10.0.0.9", replaced},
		{"longest", "db.old db.old.example", "10.0.0.9 10.0.0.8", stays("", "")},
		{"port", "db.old:3306", "10.0.0.9:3306", replaced},
		{"end of a sentence", "It is db.old.", "It is 10.0.0.9.", replaced},
		{"after two colons", "Host::db.old", "Host::10.0.0.9", replaced},
		{"names", "my-db.old db.old-2 x.db.old db.older xdb.old üdb.old db.oldü", "my-db.old db.old-2 x.db.old db.older xdb.old üdb.old db.oldü", nil},
		kept("binary", "\x00 db.old", address.Binary),
	})
}

func TestMentionsSayWhere(t *testing.T) {
	got, mentions := address.NewRewriter(olds).Rewrite("a\n192.0.2.1 192\\.0\\.2\\.11\r\n\n::ffff:192.0.2.1 192.0.2.77")
	require.Equal(t, "a\n10.0.0.1 192\\.0\\.2\\.11\r\n\n::ffff:10.0.0.1 192.0.2.77", got)
	require.Equal(t, []address.Mention{
		{At: 2, Line: 2, Text: "192.0.2.1", Old: "192.0.2.1", New: "10.0.0.1"},
		{At: 12, Line: 2, Text: `192\.0\.2\.11`, Old: "192.0.2.11", Why: address.Pattern},
		{At: 28, Line: 4, Text: "::ffff:192.0.2.1", Old: "192.0.2.1", New: "10.0.0.1"},
		{At: 45, Line: 4, Text: "192.0.2.77", Old: "192.0.2.77", Why: address.NoNew},
	}, mentions)
}

func TestZeroRewriterFindsNothing(t *testing.T) {
	for _, r := range []address.Rewriter{{}, address.NewRewriter(nil), address.NewRewriter(map[string]string{"192.0.2.1": "192.0.2.1", "": "x"})} {
		got, mentions := r.Rewrite("192.0.2.1")
		require.Equal(t, "192.0.2.1", got)
		require.Empty(t, mentions)
		require.Empty(t, r.Hints())
	}
}

package address_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/address"
)

func anyFour(t *rapid.T, label string) netip.Addr {
	b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 5, 10, 11, 25, 100, 192, 255}), 4, 4).Draw(t, label)
	b[0] = min(b[0], 254) // 255.255.0.0 behind another is its mask
	return netip.AddrFrom4([4]byte(b))
}

func anySix(t *rapid.T, label string) netip.Addr {
	b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0, 0, 1, 0x10, 0xdb, 0xff}), 14, 14).Draw(t, label)
	return netip.AddrFrom16([16]byte(append([]byte{0x20, 0x01}, b...)))
}

// written is one way to write an address, and what becomes of it by construction.
type written struct {
	text func(a netip.Addr) string
	want func(text string, to netip.Addr) string
	only int // 4 or 6; 0: both
}

func same(text string, _ netip.Addr) string { return text }

func form(format string, only int) written {
	return written{func(a netip.Addr) string { return fmt.Sprintf(format, a) }, func(_ string, to netip.Addr) string { return fmt.Sprintf(format, to) }, only}
}

func untouched(format string, only int) written {
	return written{func(a netip.Addr) string { return fmt.Sprintf(format, a) }, same, only}
}

// ways are independent of how the package reads text: each is made from an address.
var ways = []written{
	form("%s", 0), form(`"%s"`, 0), form("[%s]:80", 0), form("http://[%s]/24", 0), form("'u'@'%s'", 0), form("key=%s", 0), form("(%s)", 0), form("%s/x", 0),
	form("%s:8080", 4), form("%s/32", 4), form("%s/128", 6), form("http://%s/24", 4), form("tcp:%s:1", 4), form("-h%s", 4), form("::ffff:%s", 4), form("%s#53", 4),
	untouched("1%s", 4), untouched("%s7", 4), untouched("v%s", 0), untouched("_%s", 0), untouched("%s_", 0), untouched("%s.8", 4), untouched("8.%s", 4),
	untouched("%s/24", 4), untouched("%s/64", 6), untouched("%s/255.255.0.0", 4), untouched("%[1]s-%[1]s", 0), untouched("%s-9", 0), untouched("%[1]s - %[1]s", 0),
	untouched("%s.nip.io", 4), untouched("app-%s", 0), untouched("%s-db", 4), untouched("%s%%eth0", 0), untouched("%%20%s", 4), untouched("%s*", 0),
	{func(a netip.Addr) string { return strings.ReplaceAll(a.String(), ".", `\.`) }, same, 4},
	{func(a netip.Addr) string { return strings.ReplaceAll(a.String(), ".", "[.]") }, same, 4},
	{func(a netip.Addr) string {
		b := a.As4()
		return fmt.Sprintf("%d.%d.%d.%d.IN-addr.arpa.", b[3], b[2], b[1], b[0])
	}, same, 4},
	{func(a netip.Addr) string { return strings.ToUpper(a.StringExpanded()) }, func(_ string, to netip.Addr) string { return to.String() }, 6},
}

// TestRewriteDoesToAnyAddressWhatItsFormSays builds texts out of forms whose outcome is
// known, of addresses that are looked for and addresses that are not.
func TestRewriteDoesToAnyAddressWhatItsFormSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		to, pool := map[string]string{}, map[netip.Addr]netip.Addr{}
		var all []netip.Addr
		for i := range rapid.IntRange(1, 8).Draw(t, "addresses") {
			a, replacement := anyFour(t, "old"), anyFour(t, "new")
			if i%3 == 2 {
				a, replacement = anySix(t, "old"), anySix(t, "new")
			}
			all = append(all, a)
			if _, ok := pool[a]; !ok && a != replacement && rapid.Bool().Draw(t, "looked for") {
				pool[a], to[a.String()] = replacement, replacement.String()
			}
		}
		var text, want strings.Builder
		for range rapid.IntRange(0, 12).Draw(t, "words") {
			a := rapid.SampledFrom(all).Draw(t, "address")
			way := rapid.SampledFrom(ways).Draw(t, "way")
			if way.only == 4 && !a.Is4() || way.only == 6 && a.Is4() {
				continue
			}
			word := way.text(a)
			result := word
			if replacement, ok := pool[a]; ok {
				result = way.want(word, replacement)
			}
			between := rapid.SampledFrom([]string{" ", "\n", "; ", " | ", "\t", " é ", "\" \""}).Draw(t, "between")
			text.WriteString(word + between)
			want.WriteString(result + between)
		}
		got, _ := address.NewRewriter(to).Rewrite(text.String())
		require.Equal(t, want.String(), got, text.String())
	})
}

// fuzzed are of one family each, so that what was replaced can be put back.
var fuzzed = map[string]string{"192.0.2.1": "10.0.0.1", "192.0.2.11": "10.0.0.2", "2001:db8::1": "2001:db8:f::2", "198.51.100.7": "", "db.old": "db.new"}

// plain is where nobody doubts that an address stands for itself.
var plain = regexp.MustCompile(`(?:^|[\s"',;(])(?:192\.0\.2\.1|192\.0\.2\.11|198\.51\.100\.7|2001:db8::1|db\.old)(?:$|[\s"',;)])`)

// checkAny checks what must hold for any text.
func checkAny(t require.TestingT, text string) {
	r := address.NewRewriter(fuzzed)
	got, mentions := r.Rewrite(text)
	checkRest(t, text, got, mentions)
	if len(mentions) > 0 {
		checkHints(t, text, r.Hints())
	}
	sure := 0
	for at := 0; at < len(text); {
		found := plain.FindStringIndex(text[at:])
		if found == nil {
			break
		}
		sure++
		at += found[0] + 2 // the next may begin with what this one ended with
	}
	require.GreaterOrEqual(t, len(mentions), sure, "each that stands alone is replaced or returned: %q", text)
	if strings.IndexByte(text, 0) >= 0 {
		require.Equal(t, text, got)
	}
	for line := range strings.Lines(text) {
		if len(line) > 100 {
			return // what stands far away on a line may come near
		}
	}
	again, more := r.Rewrite(got)
	require.Equal(t, got, again, "a second pass replaces nothing")
	for _, m := range more {
		require.Empty(t, m.New)
	}
}

// checkRest proves that only what was returned has changed, and only into the new ones.
func checkRest(t require.TestingT, text, got string, mentions []address.Mention) {
	at := 0
	for _, m := range mentions {
		require.Equal(t, m.Text, text[m.At:m.At+len(m.Text)])
		require.Equal(t, 1+strings.Count(text[:m.At], "\n"), m.Line)
		require.True(t, strings.HasPrefix(got, text[at:m.At]), "%q", text)
		got = got[m.At-at:]
		at = m.At + len(m.Text)
		now := m.Text
		if m.Why == "" {
			now = m.New
		}
		if embedded := strings.LastIndexByte(m.Text, ':'); m.Why == "" && embedded >= 0 && strings.Contains(m.New, ".") && !strings.HasPrefix(m.New, "db") {
			now = m.Text[:embedded+1] + m.New
			if netip.MustParseAddr(m.Text).Is4In6() {
				now = "::ffff:" + m.New
			}
		}
		require.True(t, strings.HasPrefix(got, now), "%q: %q in %q", text, now, got)
		got = got[len(now):]
	}
	require.Equal(t, text[at:], got)
}

func checkHints(t require.TestingT, text string, hints []string) {
	for _, hint := range hints {
		if strings.Contains(strings.ToLower(text), strings.ToLower(hint)) {
			return
		}
	}
	require.Fail(t, "no hint stands in the text", "%q", text)
}

func TestWhatHoldsForAnyText(t *testing.T) {
	parts := rapid.SampledFrom([]string{
		"192.0.2.1", "192.0.2.11", "198.51.100.7", "2001:db8::1", "db.old", "10.0.0.1", "192\\.0\\.2\\.1", "1.2.0.192.in-addr.arpa", "::ffff:", "64:ff9b::", "c000:201",
		" ", "\n", "a", "x", ".", "..", "1", "é", "\xff", "-", " - ", "–", ":", "::", "/", "/24", "/32", "/128", "255.255.255.0", "%", "%20", "[", "]", "\\", "\\n", "*", "~", "+",
		"http://", "@", "'", "\"", ",", ";", "(", ")", "range ", "version ", "\x00",
	})
	rapid.Check(t, func(t *rapid.T) {
		checkAny(t, strings.Join(rapid.SliceOfN(parts, 0, 20).Draw(t, "parts"), ""))
	})
}

func FuzzRewrite(f *testing.F) {
	for _, text := range []string{
		"", "x 192.0.2.1 y", "192.0.2.1-192.0.2.11", "[2001:db8::1]:80", "::ffff:192.0.2.1", "::ffff:c000:201", `192\.0\.2\.1`, "1.2.0.192.in-addr.arpa",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "db.old", "dhcp-range=192.0.2.1,192.0.2.11", "%20192.0.2.1%20", "192.0.2.1\x00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkAny(t, text) })
}

package address

import (
	"net/netip"
	"strings"
)

// scanner goes through a text once.
type scanner struct {
	Rewriter
	text    string
	binary  bool
	at      int
	decoded int // what starts here follows a percent-encoded byte, such as %20
}

// found is an old address or name at a place of the text that it names for sure.
type found struct {
	start, end int
	old        old
	address    netip.Addr // invalid: a name
	prefix     string     // what an IPv6 address has before the IPv4 address that it embeds
	why        Reason     // why it must be left alone; empty: it may be replaced
}

// next returns the next place that counts.
func (s *scanner) next() (found, bool) {
	for s.at < len(s.text) {
		if !s.mayStart(s.at) {
			s.at++
			continue
		}
		f, after := s.token(s.at)
		s.at = after
		if f.end > 0 && s.settle(&f) {
			return f, true
		}
	}
	return found{}, false
}

// mayStart reports whether token has to look at a place: it must not at most of them.
func (s *scanner) mayStart(at int) bool {
	c := s.text[at]
	switch {
	case isDigit(c) || c == ':' || c == '%' || s.begins[c]:
		return true
	case !isHex(c) || at > 0 && s.decoded != at && isHex(s.text[at-1]):
		return false
	}
	end := at + 1 // an IPv6 address begins with up to four digits and a colon, its reversed name with one and a dot
	for end < len(s.text) && end-at < 4 && isHex(s.text[end]) {
		end++
	}
	return end < len(s.text) && (s.text[end] == ':' || s.text[end] == '.' && end == at+1)
}

// token reads what starts at a place, and returns where the next token may start.
func (s *scanner) token(at int) (f found, after int) {
	c := s.text[at]
	after = at + 1
	if c == '%' && at+2 < len(s.text) && isHex(s.text[at+1]) && isHex(s.text[at+2]) {
		s.decoded = at + 3
		return found{}, at + 3
	}
	if (isHex(c) || c == ':') && (at == 0 || s.decoded == at || !isHex(s.text[at-1]) && s.text[at-1] != ':') {
		if f, after, ok := s.six(at); ok {
			return f, after
		}
	}
	if isDigit(c) && (at == 0 || s.decoded == at || !isDigit(s.text[at-1])) {
		if f, after = s.four(at); f.end > 0 {
			return f, after
		}
	}
	if !s.begins[c] {
		return found{}, after
	}
	for _, one := range s.names[c] {
		if strings.HasPrefix(s.text[at:], one.text) {
			end := at + len(one.text)
			if nameStandsAlone(s.text[:at], s.text[end:]) {
				return found{start: at, end: end, old: one}, end
			}
		}
	}
	return found{}, after
}

// afterKey skips the end of a word, such as the d of "old:2001:db8::1": it is no number.
func (s *scanner) afterKey(at int) int {
	before, _ := s.around(at, at)
	if s.decoded == at && at > 0 || !endsInWord(before) {
		return at
	}
	for isHex(s.text[at]) { // a colon follows
		at++
	}
	return at
}

// longestSix is the longest that an IPv6 address may be, with some punctuation.
const longestSix = 45 + 4

// six reads an IPv6 address; ok is false where none stands.
func (s *scanner) six(at int) (f found, after int, ok bool) {
	if f, after, ok = s.sixReversed(at); ok {
		return f, after, true
	}
	end, colons := at, 0
	for end < len(s.text) && end-at <= longestSix && isSix(s.text[end]) {
		if s.text[end] == ':' {
			colons++
		}
		end++
	}
	if colons < 2 || end-at > longestSix {
		return found{}, 0, false
	}
	start, a := s.afterKey(at), netip.Addr{}
	for {
		var err error
		if a, err = netip.ParseAddr(s.text[start:end]); err == nil {
			break
		}
		switch text := s.text[start:end]; { // punctuation is no part of it
		case strings.HasSuffix(text, ".") || strings.HasSuffix(text, ":"):
			end--
		case strings.HasPrefix(text, ":"):
			start++
		default:
			return found{}, 0, false
		}
	}
	f = found{start: start, end: end, address: a.Unmap()}
	if embedded := strings.LastIndexByte(s.text[start:end], ':') + 1; a.Is4In6() {
		f.prefix = "::ffff:"
	} else if a.Is6() && wellKnown.Contains(a) && strings.Contains(s.text[start:end], ".") {
		f.prefix = s.text[start : start+embedded]
		f.address, _ = netip.ParseAddr(s.text[start+embedded : end])
	}
	if f.old, ok = s.addresses[f.address]; !ok {
		// What looks like an IPv4 address inside another address is not one. Letters may be a name.
		return found{}, end, strings.Contains(s.text[start:end], ".")
	}
	return f, end, true
}

// wellKnown is where IPv4 addresses are embedded for translation: RFC 6052, 2.1.
var wellKnown = netip.MustParsePrefix("64:ff9b::/96")

// four reads an IPv4 address, whose dots may be escaped.
func (s *scanner) four(at int) (f found, after int) {
	a, end, escaped := dotted(s.text, at)
	if !a.IsValid() {
		return found{}, end
	}
	f = found{start: at, end: end, address: a}
	if escaped {
		f.why = Pattern
	}
	const reverse = ".in-addr.arpa"
	if n := end + len(reverse); n <= len(s.text) && strings.EqualFold(s.text[end:n], reverse) {
		b := a.As4()
		f.address, f.end, f.why = netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]}), n, Reverse
	}
	var ok bool
	if f.old, ok = s.addresses[f.address]; !ok {
		return found{}, end
	}
	return f, f.end
}

// dotted reads numbers with equal dots between them: an address if they are four that fit.
func dotted(text string, at int) (a netip.Addr, end int, escaped bool) {
	var bytes [4]byte
	end = at
	used := ""
	for n, fits := 0, true; ; n++ {
		first, value := end, 0
		for end < len(text) && isDigit(text[end]) {
			value = min(10*value+int(text[end]-'0'), 1000)
			end++
		}
		if n < 4 && value <= 255 && (end == first+1 || text[first] != '0') {
			bytes[n] = byte(value)
		} else {
			fits = false
		}
		dot := dotBefore(text[end:])
		if dot == "" || used != "" && dot != used {
			if n == 3 && fits {
				return netip.AddrFrom4(bytes), end, used != "."
			}
			return netip.Addr{}, end, false
		}
		used = dot
		end += len(dot)
	}
}

// dots are how plain text and patterns write the dot between two numbers.
var dots = []string{".", `\.`, `\\.`, "[.]"}

// dotBefore is the dot in front of a number; empty where none stands.
func dotBefore(text string) string {
	for _, dot := range dots {
		if rest, ok := strings.CutPrefix(text, dot); ok && rest != "" && isDigit(rest[0]) {
			return dot
		}
	}
	return ""
}

// sixReversed reads the name for reverse lookups of an IPv6 address: RFC 3596, 2.5.
func (s *scanner) sixReversed(at int) (f found, after int, ok bool) {
	const name, digits = "ip6.arpa", 32
	end := at + 2*digits + len(name)
	if end > len(s.text) || s.text[at] == ':' || s.text[at+1] != '.' || !strings.EqualFold(s.text[end-len(name):end], name) {
		return found{}, 0, false
	}
	var b [16]byte
	for i := range digits {
		digit, dot := s.text[at+2*i], s.text[at+2*i+1]
		if !isHex(digit) || dot != '.' {
			return found{}, 0, false
		}
		b[15-i/2] |= hexValue(digit) << (4 * (i % 2))
	}
	f = found{start: at, end: end, address: netip.AddrFrom16(b), why: Reverse}
	if f.old, ok = s.addresses[f.address]; !ok {
		return found{}, end, true
	}
	return f, end, true
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isHex(b byte) bool { return isDigit(b) || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' }

// isSix reports whether an IPv6 address may hold the byte.
func isSix(b byte) bool { return isHex(b) || b == ':' || b == '.' }

func hexValue(b byte) byte {
	if isDigit(b) {
		return b - '0'
	}
	return b&^0x20 - 'A' + 10
}

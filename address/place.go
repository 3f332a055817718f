package address

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// context is how much of a line on each side says what an address stands for.
const context = 120

// around returns what stands before and after a place, in its line.
func (s *scanner) around(start, end int) (before, after string) {
	before = s.text[max(0, start-context):start]
	before = before[strings.LastIndexByte(before, '\n')+1:]
	after, _, _ = strings.Cut(s.text[end:min(len(s.text), end+context)], "\n")
	return before, after
}

// settle decides whether what was found stands alone, and why it must stay if it must.
func (s *scanner) settle(f *found) bool {
	if !f.address.IsValid() {
		return true
	}
	before, after := s.around(f.start, f.end)
	switch {
	case s.decoded == f.start && f.start > 0:
		f.why = Encoded
	case endsInWord(before), startsWithWord(after):
		return false
	}
	if f.why == "" {
		f.why = whyToStay(before, after, f)
	}
	return true
}

// endsInWord reports whether the address that follows is part of a longer word or
// number. An escape such as \n and an option such as -h end the word before them.
func endsInWord(before string) bool {
	if before == "" {
		return false
	}
	last := before[len(before)-1]
	if last == '.' {
		return len(before) > 1 && isWord(before[len(before)-2])
	}
	return isWord(last) && !afterEscape.MatchString(before) && !afterOption.MatchString(before)
}

// startsWithWord is the same for what follows an address. A letter behind a dot makes a
// name of it, which is not an address and yet names it: see Part.
func startsWithWord(after string) bool { return after != "" && isWord(after[0]) }

var (
	afterEscape = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*\\[nrt]$`)
	afterOption = regexp.MustCompile(`(?:^|[\s"'=(,;|&\[])-[A-Za-z]$`)
	afterURL    = regexp.MustCompile(`://(?:[^\s/?#"'<>]*@)?\[?$`)
	afterRange  = regexp.MustCompile(`(?i)(?:^|[\s;{])-*["']?[\w-]*range["']?(?:\s*[=:]\s*|\s+)(?:[^\s;{}]*,\s*|[0-9a-f:.]+\s+)?["']?$`)
	afterDash   = regexp.MustCompile(`([0-9A-Fa-f:.]*[0-9A-Fa-f:])\]?[ \t]*(?:-|–|—|~|\.\.+)[ \t]*\[?$`)
	afterMore   = regexp.MustCompile(`(?i)(?:version["']?\s*[:=]?\s*["']?|[<>]=\s*["']?)$`)
	dash        = regexp.MustCompile(`^\]?([ \t]*)(?:-|–|—|~|\.\.+)([ \t]*)\[?([0-9A-Fa-f:.]+)`)
	prefix      = regexp.MustCompile(`^\]? ?/ ?([0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9]{1,3})`)
	mask        = regexp.MustCompile(`(?i)^["']?[\s,]+(?:(?:net)?mask[\s=:]+)?["']?(255\.[0-9.]+)`)
	pattern     = regexp.MustCompile(`^(?:\*|\[[0-9^\\]|\{[0-9]|\\+[.dDwW(\[])`)
	longer      = regexp.MustCompile(`^(?:\.|[-+~])[0-9A-Za-z_]`)
)

// whyToStay says why an address that stands alone must not be replaced.
func whyToStay(before, after string, f *found) Reason {
	switch {
	case strings.HasPrefix(after, "%") && len(after) > 2 && isHex(after[1]) && isHex(after[2]):
		return Encoded
	case strings.HasPrefix(after, "%") && len(after) > 1 && isWord(after[1]):
		return Zone
	case strings.HasPrefix(after, "%"), pattern.MatchString(after):
		return Pattern
	case inRange(before, after, f.address):
		return Range
	case !inURL(before) && isNetwork(after, f):
		return Network
	case longer.MatchString(after), len(before) > 1 && before[len(before)-1] == '-' && isWord(before[len(before)-2]):
		return Part
	case readsLikeVersion(before):
		return Version
	}
	return ""
}

// inURL reports whether an address is the host of a URL. As below, what every match
// holds is looked for first: the pattern is slow, and there may be thousands of addresses.
func inURL(before string) bool {
	return strings.Contains(before, "://") && afterURL.MatchString(before)
}

func readsLikeVersion(before string) bool {
	return (strings.Contains(before, "=") || containsFold(before, "version")) && afterMore.MatchString(before)
}

func containsFold(text, lower string) bool { return strings.Contains(strings.ToLower(text), lower) }

// dashes are what a range has between its ends.
var dashes = []string{"-", "–", "—", "~", ".."}

// inRange reports whether an address is an end of a range, such as 10.0.0.5-10.0.0.20,
// 10.0.0.5 - 20, or `range 10.0.0.5 10.0.0.20` in dhcpd's words.
func inRange(before, after string, a netip.Addr) bool {
	nearer := strings.TrimRight(before, " \t[")
	if slices.ContainsFunc(dashes, func(d string) bool { return strings.HasSuffix(nearer, d) }) {
		if m := afterDash.FindStringSubmatch(before); m != nil && isAddress(m[1]) {
			return true
		}
	}
	if containsFold(before, "range") && afterRange.MatchString(before) {
		return true
	}
	nearer = strings.TrimLeft(after, "] \t")
	if !slices.ContainsFunc(dashes, func(d string) bool { return strings.HasPrefix(nearer, d) }) {
		return false
	}
	m := dash.FindStringSubmatch(after)
	if m == nil {
		return false
	}
	if isAddress(m[3]) {
		return true
	}
	rest := after[len(m[0]):]
	if rest != "" && isWord(rest[0]) || (m[1] == "") != (m[2] == "") { // an option such as -4 is not an end
		return false
	}
	base, most := 10, uint64(255) // the last part only
	if a.Is6() {
		base, most = 16, 1<<16-1
	}
	end, err := strconv.ParseUint(strings.TrimRight(m[3], ".:"), base, 64)
	return err == nil && end <= most
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(strings.Trim(text, "."))
	if err != nil {
		_, err = netip.ParseAddr(strings.TrimRight(text, ".:"))
	}
	return err == nil
}

// isNetwork reports whether the length or mask behind an address leaves some of it out.
func isNetwork(after string, f *found) bool {
	if n, _, ok := lengthAfter(after, f.bits()); ok {
		return n < f.bits()
	}
	if !strings.Contains(after, "255.") {
		return false
	}
	if m := mask.FindStringSubmatch(after); m != nil {
		n, contiguous := maskLength(strings.TrimRight(m[1], "."))
		return contiguous && n < 32
	}
	return false
}

// bits is the length of the whole address as it is written.
func (f *found) bits() int {
	if f.prefix != "" {
		return 128
	}
	return f.address.BitLen()
}

// lengthAfter reads a network's length, as /24 or /255.255.255.0, and returns the size
// of its text. Without one, as in front of a path, ok is false.
func lengthAfter(after string, most int) (n, size int, ok bool) {
	m := prefix.FindStringSubmatch(after)
	if m == nil {
		return 0, 0, false
	}
	rest := after[len(m[0]):]
	if rest != "" && isWord(rest[0]) || len(rest) > 1 && rest[0] == '.' && isWord(rest[1]) {
		return 0, 0, false
	}
	if strings.Contains(m[1], ".") {
		n, _ = maskLength(m[1]) // of any other, such as 0.0.0.255, some bits count
		return n, len(m[0]), true
	}
	n, err := strconv.Atoi(m[1])
	return n, len(m[0]), err == nil && n <= most
}

// maskLength is how many bits a mask begins with; of one such as 255.255.255.0 it has no
// others.
func maskLength(text string) (n int, contiguous bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return 0, false
	}
	b := a.As4()
	bits := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	for bits&(1<<31) != 0 {
		bits <<= 1
		n++
	}
	return n, bits == 0
}

// nameStandsAlone reports whether a name is no part of a longer one: db1 is not in
// db1.example.com, my-db1 or db1-old.
func nameStandsAlone(before, after string) bool {
	last, size := utf8.DecodeLastRuneInString(before)
	if isWordRune(last) || last == '-' {
		return false
	}
	if last, _ := utf8.DecodeLastRuneInString(before[:len(before)-size]); before != "" && before[len(before)-1] == '.' && isWordRune(last) {
		return false
	}
	next, size := utf8.DecodeRuneInString(after)
	if isWordRune(next) || next == '-' {
		return false
	}
	if next != '.' || after == "" {
		return true
	}
	next, _ = utf8.DecodeRuneInString(after[size:])
	return !isWordRune(next)
}

func isWord(b byte) bool {
	return b == '_' || isDigit(b) || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// isWordRune is isWord for names, which may have letters of any language.
func isWordRune(r rune) bool {
	return r != utf8.RuneError && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

package statement

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// unreadable stands in a name for characters that are not ASCII and that this package does
// not decode. It is no character of a name.
const unreadable = '\uFFFF'

// charset reads characters of a client's character set.
type charset struct {
	// multi returns the length of the character of several bytes that text begins with, or 0.
	multi func(text string) int
	// single decodes a byte that is not ASCII and stands alone. letter is false if it may not
	// be part of a name without quotes.
	single func(b byte) (r rune, letter bool)
	// decodes reports whether characters of several bytes are UTF-8.
	decodes bool
}

// charsets are the character sets that a client may use, but for swe7, where ASCII is
// something else. binary is taken as it is by the server, which keeps names in UTF-8.
var charsets = makeCharsets()

func makeCharsets() map[string]charset {
	unicode := charset{multi: multiUTF8, single: noSingle, decodes: true}
	all := map[string]charset{
		"utf8mb4": unicode, "utf8mb3": unicode, "utf8": unicode, "binary": unicode,
		"latin1":  {multi: noMulti, single: singleLatin1},
		"big5":    {multi: twoBytes(0xa1, 0xf9, 0x40, 0x7e, 0xa1, 0xfe), single: noSingle},
		"sjis":    {multi: multiSJIS, single: noSingle},
		"cp932":   {multi: multiSJIS, single: noSingle},
		"gbk":     {multi: twoBytes(0x81, 0xfe, 0x40, 0x7e, 0x80, 0xfe), single: noSingle},
		"gb18030": {multi: multiGB18030, single: noSingle},
		"gb2312":  {multi: twoBytes(0xa1, 0xf7, 0xa1, 0xfe, 0xa1, 0xfe), single: noSingle},
		"euckr":   {multi: multiEUCKR, single: noSingle},
		"ujis":    {multi: multiEUCJP, single: noSingle},
		"eucjpms": {multi: multiEUCJP, single: noSingle},
	}
	for _, name := range strings.Fields("ascii armscii8 cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 dec8 geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin2 latin5 latin7 macce macroman tis620") {
		all[name] = charset{multi: noMulti, single: noSingle}
	}
	return all
}

func noMulti(string) int { return 0 }

func noSingle(byte) (r rune, letter bool) { return unreadable, false }

func multiUTF8(text string) int {
	if r, n := utf8.DecodeRuneInString(text); r != utf8.RuneError {
		return n
	}
	return 0
}

// twoBytes returns the length function of a character set whose characters of two bytes
// begin with first..last and end in one of two ranges.
func twoBytes(first, last, low1, high1, low2, high2 byte) func(string) int {
	return func(text string) int {
		if len(text) < 2 || text[0] < first || text[0] > last {
			return 0
		}
		if b := text[1]; b >= low1 && b <= high1 || b >= low2 && b <= high2 {
			return 2
		}
		return 0
	}
}

var (
	sjisLow    = twoBytes(0x81, 0x9f, 0x40, 0x7e, 0x80, 0xfc)
	sjisHigh   = twoBytes(0xe0, 0xfc, 0x40, 0x7e, 0x80, 0xfc)
	euckrUpper = twoBytes(0x81, 0xfe, 'A', 'Z', 'a', 'z')
	highPair   = twoBytes(0x81, 0xfe, 0x81, 0xfe, 0x81, 0xfe)
	gbkPair    = twoBytes(0x81, 0xfe, 0x40, 0x7e, 0x80, 0xfe)
	eucPair    = twoBytes(0xa1, 0xfe, 0xa1, 0xfe, 0xa1, 0xfe)
	kanaPair   = twoBytes(0x8e, 0x8e, 0xa1, 0xdf, 0xa1, 0xdf)
)

func multiSJIS(text string) int { return max(sjisLow(text), sjisHigh(text)) }

func multiEUCKR(text string) int { return max(euckrUpper(text), highPair(text)) }

func multiEUCJP(text string) int {
	if len(text) >= 3 && text[0] == 0x8f && eucPair(text[1:]) == 2 {
		return 3
	}
	return max(eucPair(text), kanaPair(text))
}

func multiGB18030(text string) int {
	digit := func(b byte) bool { return b >= '0' && b <= '9' }
	lead := func(b byte) bool { return b >= 0x81 && b <= 0xfe }
	if len(text) >= 4 && lead(text[0]) && digit(text[1]) && lead(text[2]) && digit(text[3]) {
		return 4
	}
	return gbkPair(text)
}

// latin1High are the characters 0x80 to 0x9f of the servers' latin1, which is cp1252.
var latin1High = [32]rune{
	0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
	0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
}

func singleLatin1(b byte) (r rune, letter bool) {
	r = rune(b)
	if b < 0xa0 {
		r = latin1High[b-0x80]
	}
	return r, b >= 0xc0 && b != 0xd7 && b != 0xf7 || slices.Contains([]byte{0x83, 0x8a, 0x8c, 0x8e, 0x9a, 0x9c, 0x9e, 0x9f}, b)
}

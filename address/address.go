package address

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Rewriter replaces old addresses and names by new ones. All are replaced in one pass,
// so a new one that equals another old one is left alone. The zero value finds nothing.
// It is safe for use by many goroutines at once.
type Rewriter struct {
	addresses map[netip.Addr]old
	names     map[byte][]old // by their first byte, the longest first
	begins    *[256]bool     // what a name begins with
}

// old is an address or name to look for, and what takes its place; empty: nothing is known.
type old struct{ text, new string }

// NewRewriter returns a Rewriter for a map from old to new. An old one whose new one is
// empty is found and left alone.
func NewRewriter(to map[string]string) Rewriter {
	r := Rewriter{addresses: map[netip.Addr]old{}, names: map[byte][]old{}, begins: &[256]bool{}}
	for text, replacement := range to {
		if text == "" || text == replacement {
			continue
		}
		one := old{text, replacement}
		a, err := netip.ParseAddr(text)
		if err != nil {
			r.names[text[0]] = append(r.names[text[0]], one)
			r.begins[text[0]] = true
			continue
		}
		a = a.Unmap()
		// Of two spellings of one address the smaller decides, in every run.
		if other, ok := r.addresses[a]; !ok || text < other.text {
			r.addresses[a] = one
		}
	}
	for _, names := range r.names {
		slices.SortFunc(names, func(a, b old) int {
			return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(a.text, b.text))
		})
	}
	return r
}

// Mention is an old address or name that stands in a text.
type Mention struct {
	At   int    // the byte of the text that it began at
	Line int    // from 1
	Text string // as it stood there, such as `192\.0\.2\.1`
	Old  string // as it was given to NewRewriter
	New  string // what stands there now; empty: it was left alone
	Why  Reason // why it was left alone
}

// Rewrite returns text with the new addresses and names, and all that were found, in
// their order. Text with a NUL byte is binary: it comes back as it is.
func (r Rewriter) Rewrite(text string) (string, []Mention) {
	if len(r.addresses) == 0 && len(r.names) == 0 {
		return text, nil
	}
	s := scanner{Rewriter: r, text: text, binary: strings.IndexByte(text, 0) >= 0}
	var out strings.Builder
	var mentions []Mention
	line, counted, copied := 1, 0, 0
	for {
		f, ok := s.next()
		if !ok {
			break
		}
		e := s.edit(f)
		line += strings.Count(text[counted:f.start], "\n")
		counted = f.start
		m := Mention{At: f.start, Line: line, Text: text[f.start:f.end], Old: f.old.text, Why: e.why}
		if e.why == "" {
			m.New = f.old.new
			out.WriteString(text[copied:e.start])
			out.WriteString(e.text)
			copied = e.end
		}
		mentions = append(mentions, m)
	}
	if copied == 0 {
		return text, mentions
	}
	return out.String() + text[copied:], mentions
}

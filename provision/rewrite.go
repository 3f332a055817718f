package provision

import (
	"bytes"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Rewriter replaces old addresses and names by new ones in text. All are
// replaced in one pass, so that a new address that equals another old one is
// left alone. Its zero value replaces nothing.
type Rewriter struct {
	pattern *regexp.Regexp
	to      map[string]string
}

// NewRewriter returns a Rewriter for a map from old to new.
func NewRewriter(to map[string]string) Rewriter {
	var olds []string
	for old, replacement := range to {
		if old != "" && old != replacement {
			olds = append(olds, old)
		}
	}
	if len(olds) == 0 {
		return Rewriter{}
	}
	// The longest first: alternation takes the first that matches.
	slices.SortFunc(olds, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	for i := range olds {
		olds[i] = regexp.QuoteMeta(olds[i])
	}
	return Rewriter{regexp.MustCompile(strings.Join(olds, "|")), to}
}

// Olds are the strings that are looked for.
func (r Rewriter) Olds() []string {
	if r.pattern == nil {
		return nil
	}
	var olds []string
	for old, replacement := range r.to {
		if old != "" && old != replacement {
			olds = append(olds, old)
		}
	}
	slices.Sort(olds)
	return olds
}

// Rewrite returns text with old strings replaced where they stand alone, and
// how many were. 10.0.0.1 does not stand alone in 10.0.0.10 or 110.0.0.1. Data
// with a NUL byte is binary and returned as it is.
func (r Rewriter) Rewrite(text []byte) ([]byte, int) {
	if r.pattern == nil || bytes.IndexByte(text, 0) >= 0 {
		return text, 0
	}
	var out []byte
	last, n := 0, 0
	for _, at := range r.pattern.FindAllIndex(text, -1) {
		old := string(text[at[0]:at[1]])
		if !standsAlone(text, at[0], at[1], old) {
			continue
		}
		out = append(out, text[last:at[0]]...)
		out = append(out, r.to[old]...)
		last, n = at[1], n+1
	}
	if n == 0 {
		return text, 0
	}
	return append(out, text[last:]...), n
}

// standsAlone reports whether text[from:to] is not part of a longer address or
// name. at(i) is 0 outside of text.
func standsAlone(text []byte, from, to int, old string) bool {
	at := func(i int) byte {
		if i < 0 || i >= len(text) {
			return 0
		}
		return text[i]
	}
	a, err := netip.ParseAddr(old)
	address := err == nil
	before, after := at(from-1), at(to)
	switch {
	case isWord(before), isWord(after):
		return false
	case before == '.' && isWord(at(from-2)), after == '.' && isWord(at(to+1)):
		return false
	case !address:
		return before != '-' && after != '-'
	case a.Is6():
		return after != ':' && (before != ':' || !isWord(at(from-2)) && at(from-2) != ':')
	}
	return true
}

func isWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// rewriter maps the old addresses to what a host of the new site must use: the
// private address of another host, and of itself unless it serves the world.
func (s Site) rewriter(host string, d *Directory) (Rewriter, error) {
	to := map[string]string{}
	for _, h := range s.Hosts {
		m, err := d.Lookup(h.Name)
		if err != nil {
			return Rewriter{}, err
		}
		a := m.Private
		if !a.IsValid() || h.Name == host && s.isPublic(h) {
			a = m.Public
		}
		if h.OldAddress.IsValid() {
			to[h.OldAddress.String()] = a.String()
		}
		for _, name := range h.OldNames {
			to[name] = a.String()
		}
	}
	return NewRewriter(to), nil
}

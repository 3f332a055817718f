package export

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dcmigrate/migrate/inventory"
)

// Rewrite is an old address or name in a file.
type Rewrite struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Old  string `json:"old"`
	// New is what stands there now. Empty: none is known, or it is part of a
	// network or range, and the old stays.
	New   string   `json:"new,omitempty"`
	Hosts hostList `json:"hosts"`
}

// hostList is names with commas between them: a Rewrite must be comparable.
type hostList string

// MarshalJSON writes a list.
func (l hostList) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%q", strings.Split(string(l), ", ")), nil
}

// rewriter is what to look for on a host's behalf.
type rewriter struct {
	to    map[string]string // empty: no new one is known
	olds  map[byte][]string // by their first byte, the longest first
	begin [256]bool
}

// rewriterOf is a host's, made once.
func (c *collector) rewriterOf(h *inventory.Host) *rewriter {
	if c.rewriters[h.Name] != nil {
		return c.rewriters[h.Name]
	}
	w := &rewriter{to: map[string]string{}, olds: map[byte][]string{}}
	for _, old := range c.options.Unknown {
		w.to[old] = ""
	}
	if c.options.New != nil {
		for old, replacement := range c.options.New(h.Name) {
			w.to[old] = replacement
		}
	}
	for _, old := range sortedKeys(w.to) {
		if old == "" || old == w.to[old] {
			continue
		}
		w.olds[old[0]] = append(w.olds[old[0]], old)
		w.begin[old[0]] = true
	}
	for _, olds := range w.olds {
		slices.SortStableFunc(olds, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	}
	c.rewriters[h.Name] = w
	return w
}

// rewriteAll replaces the old addresses and names in a file that is text.
func (c *collector) rewriteAll(h *inventory.Host, name, text string) string {
	if !utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	number := 0
	for line := range strings.Lines(text) {
		number++
		b.WriteString(c.rewrite(h, name, number, line))
	}
	return b.String()
}

// rewrite replaces them in one line: all in one pass, so that a new address
// which equals another old one is left alone.
func (c *collector) rewrite(h *inventory.Host, name string, number int, line string) string {
	w := c.rewriterOf(h)
	var b strings.Builder
	last := 0
	for at := 0; at < len(line); at++ {
		if !w.begin[line[at]] || at > 0 && isWord(line[at-1]) {
			continue
		}
		olds := w.olds[line[at]]
		i := slices.IndexFunc(olds, func(old string) bool { return strings.HasPrefix(line[at:], old) && alone(line, at, old) })
		if i < 0 {
			continue
		}
		old := olds[i]
		replacement := w.to[old]
		if ofMany(line[:at], old, line[at+len(old):]) {
			replacement = ""
		}
		b.WriteString(line[last:at])
		b.WriteString(cmp.Or(replacement, old))
		last = at + len(old)
		at = last - 1
		key := Rewrite{File: name, Line: number, Old: old, New: replacement}
		c.changed[key] = append(c.changed[key], h.Name)
	}
	if last == 0 {
		return line
	}
	return b.String() + line[last:]
}

// alone reports whether what stands at a place is no part of a longer address
// or name: 10.0.0.1 is not in 10.0.0.10, nor db1 in db1.example.com.
func alone(line string, from int, old string) bool {
	at := func(i int) byte {
		if i < 0 || i >= len(line) {
			return 0
		}
		return line[i]
	}
	to := from + len(old)
	before, after := at(from-1), at(to)
	if isWord(before) || isWord(after) || before == '.' && isWord(at(from-2)) || after == '.' && isWord(at(to+1)) {
		return false
	}
	address, err := netip.ParseAddr(old)
	switch {
	case err != nil:
		return before != '-' && after != '-'
	case address.Is6():
		return before != ':' && after != ':'
	}
	return true
}

var (
	network    = regexp.MustCompile(`^/([0-9]{1,3})(\.[0-9]+\.[0-9]+\.[0-9]+)?([^0-9A-Za-z_]|$)`)
	rangeAfter = regexp.MustCompile(`^(-| - )[0-9]`)
	rangeBegun = regexp.MustCompile(`[0-9](-| - )$`)
)

// ofMany reports whether an address between two texts stands for more than a
// host: 10.0.0.5/24 and 10.0.0.5-10.0.0.20. A new one there would be another
// network, or a range from one network to another.
func ofMany(before, old, after string) bool {
	address, err := netip.ParseAddr(old)
	if err != nil {
		return false
	}
	if m := network.FindStringSubmatch(after); m != nil {
		length, _ := strconv.Atoi(m[1])
		return m[2] != "" || length < address.BitLen()
	}
	return rangeAfter.MatchString(after) || rangeBegun.MatchString(before)
}

func isWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

// rewrites lists what was replaced, by file and line.
func (c *collector) rewrites() []Rewrite {
	list := []Rewrite{}
	for r, hosts := range c.changed {
		r.Hosts = hostList(joined(hosts))
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Rewrite) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Old, b.Old), cmp.Compare(a.New, b.New))
	})
	return list
}

// joined sorts names, takes doubles out and joins them.
func joined(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

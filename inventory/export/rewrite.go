package export

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// Rewrite is an old address or name in a file.
type Rewrite struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Old  string `json:"old"`
	// New is what stands there now. Empty: none is known yet, and the old stays.
	New   string   `json:"new,omitempty"`
	Hosts hostList `json:"hosts"`
}

// hostList is names with commas between them: a Rewrite must be comparable.
type hostList string

// MarshalJSON writes a list.
func (l hostList) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%q", strings.Split(string(l), ", ")), nil
}

// rewriteAll replaces the old addresses and names in a file.
func (c *collector) rewriteAll(h *inventory.Host, name, text string) string {
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
	to := map[string]string{}
	for _, old := range c.options.Unknown {
		to[old] = ""
	}
	if c.options.New != nil {
		for old, replacement := range c.options.New(h.Name) {
			to[old] = replacement
		}
	}
	olds := sortedKeys(to)
	slices.SortStableFunc(olds, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // the longest first
	var b strings.Builder
	for at := 0; at < len(line); {
		i := slices.IndexFunc(olds, func(old string) bool {
			return old != "" && strings.HasPrefix(line[at:], old) && alone(line, at, old)
		})
		if i < 0 {
			b.WriteByte(line[at])
			at++
			continue
		}
		old := olds[i]
		at += len(old)
		if to[old] == old {
			b.WriteString(old)
			continue
		}
		b.WriteString(cmp.Or(to[old], old))
		key := Rewrite{File: name, Line: number, Old: old, New: to[old]}
		c.changed[key] = append(c.changed[key], h.Name)
	}
	return b.String()
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

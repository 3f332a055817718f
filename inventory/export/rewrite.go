package export

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/address"
	"github.com/dcmigrate/migrate/inventory"
)

// Rewrite is an old address or name in a file.
type Rewrite struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Old  string `json:"old"`
	New  string `json:"new,omitempty"` // replaces Old; empty: the old stays
	// Why says why the old stays.
	Why   address.Reason `json:"why,omitempty"`
	Hosts hostList       `json:"hosts"`
}

// isUsual reports whether the title of the page's usual part says why the old stays.
func (r Rewrite) isUsual() bool {
	return r.Why == address.NoNew || r.Why == address.Network || r.Why == address.Range
}

// hostList is names separated by commas: a Rewrite must be comparable.
type hostList string

// MarshalJSON writes a list.
func (l hostList) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%q", strings.Split(string(l), ", ")), nil
}

// rewriterOf returns a host's rewriter, which is made once.
func (c *collector) rewriterOf(h *inventory.Host) address.Rewriter {
	if w, ok := c.rewriters[h.Name]; ok {
		return w
	}
	to := map[string]string{}
	for _, old := range c.options.Unknown {
		to[old] = ""
	}
	if c.options.New != nil {
		maps.Copy(to, c.options.New(h.Name))
	}
	w := address.NewRewriter(to)
	c.rewriters[h.Name] = w
	return w
}

// rewrite replaces the old addresses and names in a text that begins at a line of a file.
func (c *collector) rewrite(h *inventory.Host, name string, line int, text string) string {
	out, mentions := c.rewriterOf(h).Rewrite(text)
	for _, m := range mentions {
		key := Rewrite{File: name, Line: line + m.Line - 1, Old: m.Old, New: m.New, Why: m.Why}
		c.rewritten[key] = append(c.rewritten[key], h.Name)
	}
	return out
}

// rewrites returns what was replaced or stayed, sorted by file and line.
func (c *collector) rewrites() []Rewrite {
	list := []Rewrite{}
	for r, hosts := range c.rewritten {
		r.Hosts = hostList(joined(hosts))
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Rewrite) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Old, b.Old), cmp.Compare(a.New, b.New), cmp.Compare(a.Why, b.Why))
	})
	return list
}

// joined sorts names, removes duplicates and joins them.
func joined(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

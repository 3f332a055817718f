// Package diff compares captured hosts, captures of a site and roles, and says
// of each difference whether it had to be, does no harm, or is drift.
package diff

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// Class is what a difference means.
type Class string

// Classes, the gravest first.
const (
	Drift    Class = "drift"    // the two are not the same, and should be
	Harmless Class = "harmless" // it changes nothing of what the host does
	Expected Class = "expected" // two hosts, or two captures, cannot agree here
)

// Difference is something that is not the same on both sides.
type Difference struct {
	Host  string `json:"host"`
	At    string `json:"at"`             // where it stands in the inventory: "packages.version"
	What  string `json:"what"`           // in words: "package nginx amd64: version"
	Only  string `json:"only,omitempty"` // OnlyOld, OnlyNew: the other side has none
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
	Class Class  `json:"class"`
	Why   string `json:"why"`
	// Lines is the unified diff of a file's contents, or of a firewall's rules.
	Lines string `json:"lines,omitempty"`

	// ID is that of the trait that differs: see traits.Item.
	ID string `json:"-"`
}

// Sides.
const (
	OnlyOld = "old"
	OnlyNew = "new"
	Both    = "both"
)

// NotCompared is a part that a capture could not see: what the other side has
// of it may be there as well.
type NotCompared struct {
	Host   string `json:"host"`
	What   string `json:"what"`
	Side   string `json:"side"` // that lacks it: OnlyOld, OnlyNew, Both
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
	// Hides is how many differences it may explain.
	Hides int `json:"hides"`
}

// Report is how two sides compare.
type Report struct {
	Old         string        `json:"old"`
	New         string        `json:"new"`
	Differences []Difference  `json:"differences"`
	NotCompared []NotCompared `json:"not_compared"`
	Notes       []string      `json:"notes,omitempty"`
}

// Count is the number of differences of a class.
func (r *Report) Count(c Class) int {
	n := 0
	for _, d := range r.Differences {
		if d.Class == c {
			n++
		}
	}
	return n
}

// Compare compares two sides. Hosts of captures are compared by name; one that
// only one capture has is drift.
func Compare(before, after Side) *Report {
	r := &Report{Old: before.Label, New: after.Label, Differences: []Difference{}, NotCompared: []NotCompared{}}
	if before.Kind != Capture && after.Kind != Capture {
		r.pair(before.subject(before.Hosts...), after.subject(after.Hosts...))
	} else {
		r.captures(before, after)
	}
	for _, h := range append(slices.Clone(before.Hosts), after.Hosts...) {
		r.newer(h)
	}
	if otherKey(before.Hosts, after.Hosts) {
		r.Notes = append(r.Notes, "no secret is the same on both sides: were they captured with different keys (inventory.key)? Then secrets, and files that hold some, cannot be compared")
	}
	order := []Class{Drift, Harmless, Expected}
	slices.SortStableFunc(r.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(slices.Index(order, a.Class), slices.Index(order, b.Class)))
	})
	return r
}

// newer notes, once, what this program does not know of a host's inventory.
func (r *Report) newer(h *inventory.Host) {
	if h.Version <= inventory.Version && len(h.Unknown) == 0 {
		return
	}
	note := "the inventory of " + h.Name + " is of a newer migrate"
	if len(h.Unknown) > 0 {
		note += "; passed over: " + strings.Join(h.Unknown, ", ")
	}
	if !slices.Contains(r.Notes, note) {
		r.Notes = append(r.Notes, note)
	}
}

// fewSecrets may all be different by themselves.
const fewSecrets = 3

// otherKey reports whether two sides' tokens look as if they were made with
// different keys: both have some, and none in common.
func otherKey(before, after []*inventory.Host) bool {
	tokens := func(hosts []*inventory.Host) map[string]bool {
		all := map[string]bool{}
		for _, h := range hosts {
			for _, s := range h.Secrets {
				if s.Token != "" {
					all[s.Token] = true
				}
			}
		}
		return all
	}
	old, now := tokens(before), tokens(after)
	for token := range old {
		if now[token] {
			return false
		}
	}
	return len(old) >= fewSecrets && len(now) >= fewSecrets
}

// captures pairs hosts by name. A single host or a role is compared with the
// hosts of its own names.
func (r *Report) captures(before, after Side) {
	names := map[string][2]*inventory.Host{}
	for i, side := range []Side{before, after} {
		for _, h := range side.Hosts {
			pair := names[h.Name]
			pair[i] = h
			names[h.Name] = pair
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		pair := names[name]
		switch {
		case pair[0] != nil && pair[1] != nil:
			r.pair(before.subject(pair[0]), after.subject(pair[1]))
		case pair[0] != nil && after.Kind == Capture:
			r.add(Difference{Host: name, At: "host", What: "host " + name, Only: OnlyOld, Class: Drift, Why: "the new side has no such host"})
		case pair[1] != nil && before.Kind == Capture:
			r.add(Difference{Host: name, At: "host", What: "host " + name, Only: OnlyNew, Class: Drift, Why: "the old side has no such host"})
		}
	}
}

func (r *Report) add(d Difference) {
	d.What = inventory.Printable(d.What)
	d.Old, d.New = valid(d.Old), valid(d.New)
	r.Differences = append(r.Differences, d)
}

// valid keeps what is UTF-8, and shows other bytes as escapes: JSON would make
// two names equal that are not.
func valid(text string) string {
	if strings.ToValidUTF8(text, "") == text {
		return text
	}
	return inventory.Printable(text)
}

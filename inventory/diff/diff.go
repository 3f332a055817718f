// Package diff compares captured hosts, captures of a site and roles, and says of
// each difference whether it is expected, harmless or drift. It needs the
// inventories, and compares file contents where it has them, hashes otherwise. What
// a capture could not see is reported as not compared, never as a difference.
package diff

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// Class is the meaning of a difference.
type Class string

// Classes, the most serious first.
const (
	Drift    Class = "drift"    // the two sides differ and should not
	Harmless Class = "harmless" // it does not change what the host does
	Expected Class = "expected" // two hosts, or two captures, always differ in it
)

// Difference is something that differs on the two sides.
type Difference struct {
	Host  string `json:"host"`
	At    string `json:"at"`             // where it stands in the inventory: "packages.version"
	What  string `json:"what"`           // in words: "package nginx amd64: version"
	Only  string `json:"only,omitempty"` // OnlyOld or OnlyNew: the other side lacks it
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
	Class Class  `json:"class"`
	Why   string `json:"why"`
	// Lines is the unified diff of a file's contents, or of a firewall's rules.
	Lines string `json:"lines,omitempty"`

	// ID is the ID of the trait that differs, see traits.Item.
	ID string `json:"-"`
}

// Sides.
const (
	OnlyOld = "old"
	OnlyNew = "new"
	Both    = "both"
)

// NotCompared is a part that a capture could not see. It may have all that the
// other side has of it.
type NotCompared struct {
	Host   string `json:"host"`
	What   string `json:"what"`
	Side   string `json:"side"` // the side that lacks it: OnlyOld, OnlyNew or Both
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
	// Hides is the number of differences that it may explain.
	Hides int `json:"hides"`
}

// Report is the result of a comparison.
type Report struct {
	Old         string        `json:"old"`
	New         string        `json:"new"`
	Differences []Difference  `json:"differences"`
	NotCompared []NotCompared `json:"not_compared"`
	Notes       []string      `json:"notes,omitempty"`
}

// Count returns the number of differences of a class.
func (r *Report) Count(c Class) int {
	n := 0
	for _, d := range r.Differences {
		if d.Class == c {
			n++
		}
	}
	return n
}

// Compare compares two sides. If a side is a capture, hosts are compared by name,
// and a host that only one capture has is drift. Differences are sorted by host,
// the most serious class first.
func Compare(before, after Side) *Report {
	r := &Report{Old: before.Label, New: after.Label, Differences: []Difference{}, NotCompared: []NotCompared{}}
	if before.Kind != Capture && after.Kind != Capture {
		r.comparePair(before.profile(before.Hosts...), after.profile(after.Hosts...))
	} else {
		r.compareCaptures(before, after)
	}
	for _, h := range append(slices.Clone(before.Hosts), after.Hosts...) {
		r.noteNewer(h)
	}
	if haveOtherKeys(before.Hosts, after.Hosts) {
		r.Notes = append(r.Notes, "no secret is the same on both sides: were they captured with different keys (inventory.key)? Then secrets, and files that hold some, cannot be compared")
	}
	order := []Class{Drift, Harmless, Expected}
	slices.SortStableFunc(r.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(slices.Index(order, a.Class), slices.Index(order, b.Class)))
	})
	return r
}

// noteNewer notes once what this program does not know in a host's inventory.
func (r *Report) noteNewer(h *inventory.Host) {
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

// minSecrets is the number of secrets from which it is unlikely that all differ
// with the same key.
const minSecrets = 3

// haveOtherKeys reports whether the tokens of two sides look as if they were made
// with different keys: both sides have some, and none in common.
func haveOtherKeys(before, after []*inventory.Host) bool {
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
	return len(old) >= minSecrets && len(now) >= minSecrets
}

// compareCaptures pairs hosts by name. A single host or a role is compared with the
// capture's hosts of the same names.
func (r *Report) compareCaptures(before, after Side) {
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
			r.comparePair(before.profile(pair[0]), after.profile(pair[1]))
		case pair[0] != nil && after.Kind == Capture:
			r.add(Difference{Host: name, At: "host", What: "host " + name, Only: OnlyOld, Class: Drift, Why: "the new side has no such host"})
		case pair[1] != nil && before.Kind == Capture:
			r.add(Difference{Host: name, At: "host", What: "host " + name, Only: OnlyNew, Class: Drift, Why: "the old side has no such host"})
		}
	}
}

func (r *Report) add(d Difference) {
	d.What = inventory.Printable(d.What)
	d.Old, d.New = validUTF8(d.Old), validUTF8(d.New)
	r.Differences = append(r.Differences, d)
}

// validUTF8 returns valid UTF-8 as it is and escapes other bytes: JSON would make
// different names equal.
func validUTF8(text string) string {
	if strings.ToValidUTF8(text, "") == text {
		return text
	}
	return inventory.Printable(text)
}

package cfsim

import (
	"cmp"
	"slices"
	"time"
)

// version is what a record is from a point in time on; nil means gone.
type version struct {
	at     time.Time
	record *Record
}

// slot is where one record stands or stood: a renamed record has two.
type slot struct{ name, id string }

// view is a zone as the edge and the DNS server see it. Every change has a time
// from which on it counts, so that nothing needs to run at that time.
type view struct {
	names   map[string]map[string][]version // by name and id, oldest first
	below   map[string]map[string]struct{}  // names below a name
	gone    []slot                          // slots that end with a deletion
	settled time.Time                       // when the last change is visible
}

func newView() view {
	return view{names: map[string]map[string][]version{}, below: map[string]map[string]struct{}{}}
}

// schedule adds a version to a slot. A change never overtakes an earlier one of
// the same record.
func (v *view) schedule(name, id string, next version, now time.Time) {
	v.sweep(now)
	ids := v.names[name]
	if ids == nil {
		ids = map[string][]version{}
		v.names[name] = ids
		for p := parent(name); p != ""; p = parent(p) {
			if v.below[p] == nil {
				v.below[p] = map[string]struct{}{}
			}
			v.below[p][name] = struct{}{}
		}
	}
	versions := ids[id]
	for len(versions) > 1 && !versions[1].at.After(now) {
		versions = versions[1:] // superseded
	}
	if n := len(versions); n > 0 && next.at.Before(versions[n-1].at) {
		next.at = versions[n-1].at
	}
	ids[id] = append(versions, next)
	if next.record == nil {
		v.gone = append(v.gone, slot{name, id})
	}
	if next.at.After(v.settled) {
		v.settled = next.at
	}
}

// sweep forgets slots whose deletion is visible.
func (v *view) sweep(now time.Time) {
	v.gone = slices.DeleteFunc(v.gone, func(s slot) bool {
		versions := v.names[s.name][s.id]
		if len(versions) == 0 {
			return true
		}
		last := versions[len(versions)-1]
		if last.record != nil || last.at.After(now) {
			return last.record != nil // it came back: not gone
		}
		delete(v.names[s.name], s.id)
		if len(v.names[s.name]) == 0 {
			delete(v.names, s.name)
			for p := parent(s.name); p != ""; p = parent(p) {
				if delete(v.below[p], s.name); len(v.below[p]) == 0 {
					delete(v.below, p)
				}
			}
		}
		return true
	})
}

// at returns the records that stand at a name at a time, oldest first.
func (v *view) at(name string, now time.Time) []*Record {
	var out []*Record
	for _, versions := range v.names[name] {
		if r := current(versions, now); r != nil {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *Record) int {
		return cmp.Or(a.CreatedOn.Compare(b.CreatedOn), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// exists reports whether there is a record at or below a name at a time.
func (v *view) exists(name string, now time.Time) bool {
	if v.stands(name, now) {
		return true
	}
	for lower := range v.below[name] {
		if v.stands(lower, now) {
			return true
		}
	}
	return false
}

func (v *view) stands(name string, now time.Time) bool {
	for _, versions := range v.names[name] {
		if current(versions, now) != nil {
			return true
		}
	}
	return false
}

func current(versions []version, now time.Time) *Record {
	for i := len(versions) - 1; i >= 0; i-- {
		if !versions[i].at.After(now) {
			return versions[i].record
		}
	}
	return nil
}

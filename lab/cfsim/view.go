package cfsim

import (
	"cmp"
	"slices"
	"time"
)

// version is a record from a point in time on; nil means deleted.
type version struct {
	at     time.Time
	record *Record
}

// slot is a name that a record has or had. A renamed record has two slots.
type slot struct{ name, id string }

// view is a zone as the edge and the DNS server see it. Every version has the time at
// which it becomes visible, so that no timer is needed.
type view struct {
	versions    map[string]map[string][]version // by name and id, oldest first
	descendants map[string]map[string]struct{}  // names below a name
	deletions   []slot                          // slots that end with a deletion
	settled     time.Time                       // when the last change is visible
}

func newView() view {
	return view{versions: map[string]map[string][]version{}, descendants: map[string]map[string]struct{}{}}
}

// schedule adds a version to a slot. It never becomes visible before an earlier version
// of the same record.
func (v *view) schedule(name, id string, next version, now time.Time) {
	v.forgetDeleted(now)
	ids := v.versions[name]
	if ids == nil {
		ids = map[string][]version{}
		v.versions[name] = ids
		for p := parent(name); p != ""; p = parent(p) {
			if v.descendants[p] == nil {
				v.descendants[p] = map[string]struct{}{}
			}
			v.descendants[p][name] = struct{}{}
		}
	}
	history := ids[id]
	for len(history) > 1 && !history[1].at.After(now) {
		history = history[1:] // superseded
	}
	if n := len(history); n > 0 && next.at.Before(history[n-1].at) {
		next.at = history[n-1].at
	}
	ids[id] = append(history, next)
	if next.record == nil {
		v.deletions = append(v.deletions, slot{name, id})
	}
	if next.at.After(v.settled) {
		v.settled = next.at
	}
}

// forgetDeleted removes slots whose deletion is visible.
func (v *view) forgetDeleted(now time.Time) {
	v.deletions = slices.DeleteFunc(v.deletions, func(s slot) bool {
		history := v.versions[s.name][s.id]
		if len(history) == 0 {
			return true
		}
		last := history[len(history)-1]
		if last.record != nil || last.at.After(now) {
			return last.record != nil // the record was added again
		}
		delete(v.versions[s.name], s.id)
		if len(v.versions[s.name]) == 0 {
			delete(v.versions, s.name)
			for p := parent(s.name); p != ""; p = parent(p) {
				if delete(v.descendants[p], s.name); len(v.descendants[p]) == 0 {
					delete(v.descendants, p)
				}
			}
		}
		return true
	})
}

// recordsAt returns the records of a name at a time, oldest first.
func (v *view) recordsAt(name string, now time.Time) []*Record {
	var out []*Record
	for _, history := range v.versions[name] {
		if r := versionAt(history, now); r != nil {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *Record) int {
		return cmp.Or(a.CreatedOn.Compare(b.CreatedOn), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// existsAt reports whether a name or a name below it has a record at a time.
func (v *view) existsAt(name string, now time.Time) bool {
	if v.hasRecord(name, now) {
		return true
	}
	for lower := range v.descendants[name] {
		if v.hasRecord(lower, now) {
			return true
		}
	}
	return false
}

func (v *view) hasRecord(name string, now time.Time) bool {
	for _, history := range v.versions[name] {
		if versionAt(history, now) != nil {
			return true
		}
	}
	return false
}

func versionAt(history []version, now time.Time) *Record {
	for i := len(history) - 1; i >= 0; i-- {
		if !history[i].at.After(now) {
			return history[i].record
		}
	}
	return nil
}

package dns

import (
	"fmt"
	"strings"
)

// Follower is a name that a flip moves to the target without changing its record.
type Follower struct {
	Name string `json:"name"`
	Type string `json:"type"` // CNAME, or "*" for the names that a wildcard answers for
	Via  string `json:"via"`  // the record that flips
	Wave string `json:"wave"` // Via's
	// Host is set if the vendor's cache may hold pages of the name.
	Host bool `json:"host,omitempty"`
}

func (f Follower) String() string {
	if f.Type == "*" {
		return fmt.Sprintf("every name below %s without a record of its own follows %s", f.Name, f.Via)
	}
	return fmt.Sprintf("%s %s follows %s", f.Name, f.Type, f.Via)
}

// recordIndex holds every record of every zone, also by name.
type recordIndex struct {
	records []Record
	byName  map[string][]Record
}

func newRecordIndex(zones []ZoneRecords) recordIndex {
	x := recordIndex{byName: map[string][]Record{}}
	for _, z := range zones {
		for _, r := range z.Records {
			x.records = append(x.records, r)
			x.byName[r.Name] = append(x.byName[r.Name], r)
		}
	}
	return x
}

// followers returns the zone's CNAMEs that lead to a name that flips, and the names
// that its flipping wildcards answer for.
func (x recordIndex) followers(z ZoneRecords, flip ZoneFlip, flippingWaves map[string]string) []Follower {
	var out []Follower
	listed := map[string]bool{}
	for _, e := range flip.Entries() {
		if base, ok := strings.CutPrefix(e.Record.Name, "*."); ok && !listed[base] {
			listed[base] = true
			out = append(out, Follower{Name: base, Type: "*", Via: e.Record.Name, Wave: flippingWaves[e.Record.Name]})
		}
	}
	for _, r := range z.Records {
		if r.Type != "CNAME" {
			continue
		}
		via := x.resolve(canonical(r.Content))
		if wave, ok := flippingWaves[via]; ok {
			out = append(out, Follower{Name: r.Name, Type: r.Type, Via: via, Wave: wave, Host: r.Proxied})
		}
	}
	return out
}

// resolve follows CNAMEs from name and returns the owner of the record that answers
// for it. The owner has records of other types, and may be a wildcard. It is "" if
// the chain leaves the zones.
func (x recordIndex) resolve(name string) string {
	const maxChain = 8 // resolvers give up on longer chains; the limit also ends a loop
	for range maxChain {
		owner := x.owner(name)
		var next string
		for _, r := range x.byName[owner] {
			if r.Type == "CNAME" {
				next = canonical(r.Content)
			}
		}
		if next == "" {
			return owner
		}
		name = next
	}
	return ""
}

// owner returns the record name that answers for name: name itself, or the closest
// wildcard above it. A record of any type, at or above the name, hides wildcards
// further up (Cloudflare: wildcard DNS records; RFC 4592).
func (x recordIndex) owner(name string) string {
	if _, ok := x.byName[name]; ok {
		return name
	}
	for {
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			return ""
		}
		if _, ok := x.byName["*."+parent]; ok {
			return "*." + parent
		}
		if _, ok := x.byName[parent]; ok {
			return ""
		}
		name = parent
	}
}

// describe says which records name has, for an error about one that does not flip.
func (x recordIndex) describe(name string) string {
	records := x.byName[name]
	if len(records) == 0 {
		return "there is no such record"
	}
	var kinds []string
	for _, r := range records {
		kinds = append(kinds, r.Type+" "+r.Content)
	}
	return "it is " + shortList(kinds)
}

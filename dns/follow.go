package dns

import (
	"fmt"
	"strings"
)

// Follow is a name that moves with a flip without being changed itself.
type Follow struct {
	Name string `json:"name"`
	Type string `json:"type"` // CNAME, or "*" for the names that a wildcard answers for
	Via  string `json:"via"`  // the record that flips
	Wave string `json:"wave"` // Via's
	// Host is set where the name is a host of its own whose pages a cache may hold.
	Host bool `json:"host,omitempty"`
}

func (f Follow) String() string {
	if f.Type == "*" {
		return fmt.Sprintf("every name below %s without a record of its own follows %s", f.Name, f.Via)
	}
	return fmt.Sprintf("%s %s follows %s", f.Name, f.Type, f.Via)
}

// world is every record of every zone, by name.
type world struct {
	records []Record
	names   map[string][]Record
}

func newWorld(zones []ZoneRecords) world {
	w := world{names: map[string][]Record{}}
	for _, z := range zones {
		for _, r := range z.Records {
			w.records = append(w.records, r)
			w.names[r.Name] = append(w.names[r.Name], r)
		}
	}
	return w
}

// follow lists the zone's CNAMEs that end at a name that flips, and what its
// flipping wildcards answer for.
func (w world) follow(z ZoneRecords, flip ZoneFlip, flipping map[string]string) []Follow {
	var out []Follow
	seen := map[string]bool{}
	for _, e := range flip.Entries() {
		if base, ok := strings.CutPrefix(e.Record.Name, "*."); ok && !seen[base] {
			seen[base] = true
			out = append(out, Follow{Name: base, Type: "*", Via: e.Record.Name, Wave: flipping[e.Record.Name]})
		}
	}
	for _, r := range z.Records {
		if r.Type != "CNAME" {
			continue
		}
		via := w.end(canonical(r.Content))
		if wave, ok := flipping[via]; ok {
			out = append(out, Follow{Name: r.Name, Type: r.Type, Via: via, Wave: wave, Host: r.Proxied})
		}
	}
	return out
}

// end follows CNAMEs from name to the owner of the record that answers for it:
// a name with other records, a wildcard, or "" outside the zones.
func (w world) end(name string) string {
	const most = 8 // resolvers give up on longer chains, and a loop must end
	for range most {
		owner := w.owner(name)
		var next string
		for _, r := range w.names[owner] {
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

// owner is the record name that answers for name: its own, or the closest
// wildcard above it. Any record at or above the name, of any type, stops
// wildcards further up (Cloudflare: wildcard DNS records; RFC 4592).
func (w world) owner(name string) string {
	if _, ok := w.names[name]; ok {
		return name
	}
	for {
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			return ""
		}
		if _, ok := w.names["*."+parent]; ok {
			return "*." + parent
		}
		if _, ok := w.names[parent]; ok {
			return ""
		}
		name = parent
	}
}

// why says what there is in place of a record that flips.
func (w world) why(name string) string {
	records := w.names[name]
	if len(records) == 0 {
		return "there is no such record"
	}
	var kinds []string
	for _, r := range records {
		kinds = append(kinds, r.Type+" "+r.Content)
	}
	return "it is " + shortList(kinds)
}

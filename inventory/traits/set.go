package traits

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// Item is a trait that can be found again on another host.
type Item struct {
	Trait
	// Exact is the same on hosts that have one of the same kind and name.
	Exact string
	// ID is the same on hosts that have the same, own names and addresses aside.
	ID string
	// Of is whose it is.
	Of *Source
}

// Source is a host and what is needed to compare it.
type Source struct {
	Host    *inventory.Host
	Names   Names
	Objects *inventory.Objects // contents of its files; nil: none
}

// Contents is the field that a file's hash and contents are under.
const Contents = "contents"

// literal are kinds whose names are never those of a host.
var literal = []string{"packages", "kernel.modules", "kernel.sysctl", "language_packages"}

// Items are the traits of a host.
func (s *Source) Items() []Item {
	traits := Of(s.Host)
	all := make([]Item, 0, len(traits))
	seen := map[string]int{}
	numbered := func(id string) string { // such as two cron jobs that do the same
		if seen[id]++; seen[id] > 1 {
			id += "\x00" + strconv.Itoa(seen[id])
		}
		return id
	}
	for _, t := range traits {
		exact := t.At + "\x00" + t.Name
		i := Item{Trait: withContents(t), Exact: numbered(exact), Of: s}
		if i.ID = i.Exact; !slices.Contains(literal, t.At) {
			if id := s.Names.Replace(exact); id != exact {
				i.ID = numbered(id)
			}
		}
		all = append(all, i)
	}
	return all
}

// withContents makes one field of those that say what is in a file.
func withContents(t Trait) Trait {
	if t.At != "configuration" && t.At != "files" {
		return t
	}
	sum := Value{Field: Contents, object: t.Get("content")}
	for _, field := range []string{"sha256", "hmac", "content"} { // hashes of different kinds say nothing of each other
		if hash := t.Get(field); hash != "" && sum.Text == "" {
			sum.Text = field + ":" + hash
		}
	}
	t.Values = slices.DeleteFunc(slices.Clone(t.Values), func(v Value) bool {
		return v.Field == "sha256" || v.Field == "hmac" || v.Field == "content"
	})
	t.Values = append(t.Values, sum)
	return t
}

// Normal is what a value is compared by.
func (i Item) Normal(v Value) string {
	if v.Field == Contents || slices.Contains(literal, i.At) {
		return v.Text
	}
	return i.Of.Names.Replace(v.Text)
}

// Read returns the contents of a file, as they were captured and with own names
// and addresses replaced; false: they are not in the inventory.
func (i Item) Read(v Value) (contents, normal string, ok bool) {
	if v.object == "" || i.Of.Objects == nil {
		return "", "", false
	}
	data, err := i.Of.Objects.Get(v.object)
	if err != nil {
		return "", "", false
	}
	return string(data), i.Of.Names.Replace(string(data)), true
}

// normalContents is a hash of what Read returns, or of the file as it is.
func (i Item) normalContents(v Value) string {
	_, normal, ok := i.Read(v)
	if !ok {
		return v.Text
	}
	sum := sha256.Sum256([]byte(normal))
	return hex.EncodeToString(sum[:])
}

// Usual are the items that more than half of some hosts have, each as most of
// those have it: one of theirs stands for all. In the order of the model.
func Usual(sources []*Source) []Item {
	lists := make([][]Item, len(sources))
	exact := map[string]int{}
	for k, s := range sources {
		lists[k] = s.Items()
		for _, i := range lists[k] {
			exact[i.Exact]++
		}
	}
	byID := map[string][]Item{}
	for _, list := range lists {
		for _, i := range list {
			// A host called backup has the user backup as others have it: what
			// another host has by the very name is not the host's own.
			if exact[i.Exact] > 1 {
				i.ID = i.Exact
			}
			byID[i.ID] = append(byID[i.ID], i)
		}
	}
	var usual []Item
	for _, items := range byID {
		if 2*len(items) > len(sources) {
			usual = append(usual, mostOf(items))
		}
	}
	slices.SortFunc(usual, func(a, b Item) int { return cmp.Or(cmp.Compare(place(a.At), place(b.At)), cmp.Compare(a.ID, b.ID)) })
	return usual
}

// Match is a trait of two sides; nil: one side has none.
type Match struct{ Old, New *Item }

// Pair finds what is the same of two lists: by the very name, then by what names
// are without those of the hosts. In the order of the model.
func Pair(before, after []Item) []Match {
	matches := make([]Match, 0, len(before))
	rest := after
	for _, by := range []func(Item) string{func(i Item) string { return i.Exact }, func(i Item) string { return i.ID }} {
		have := map[string]*Item{}
		for k := range rest {
			have[by(rest[k])] = &rest[k]
		}
		taken := map[string]bool{}
		var left []Item
		for k := range before {
			id := by(before[k])
			if found := have[id]; found != nil && !taken[id] {
				matches = append(matches, Match{&before[k], found})
				taken[id] = true
				continue
			}
			left = append(left, before[k])
		}
		before, rest = left, slices.DeleteFunc(slices.Clone(rest), func(i Item) bool { return taken[by(i)] })
	}
	for k := range before {
		matches = append(matches, Match{Old: &before[k]})
	}
	for k := range rest {
		matches = append(matches, Match{New: &rest[k]})
	}
	slices.SortStableFunc(matches, func(a, b Match) int {
		x, y := a.either(), b.either()
		return cmp.Or(cmp.Compare(place(x.At), place(y.At)), cmp.Compare(x.Name, y.Name))
	})
	return matches
}

func (m Match) either() *Item {
	if m.Old != nil {
		return m.Old
	}
	return m.New
}

// mostOf is the item as most have it: of two ways that are as common, the one
// that sorts first, so that the order of hosts does not matter.
func mostOf(items []Item) Item {
	slices.SortStableFunc(items, func(a, b Item) int { return cmp.Compare(a.Of.Host.Name, b.Of.Host.Name) })
	if len(items) == 1 || len(items[0].Values) == 0 {
		return items[0]
	}
	varying := varyingFields(items)
	key := func(i Item) string {
		var parts []string
		for k, v := range i.Values {
			switch {
			case !varying[k]:
			case v.Field == Contents:
				parts = append(parts, i.normalContents(v))
			default:
				parts = append(parts, i.Normal(v))
			}
		}
		return strings.Join(parts, "\x00")
	}
	count, first := map[string]int{}, map[string]Item{}
	for _, i := range items {
		k := key(i)
		if count[k]++; count[k] == 1 {
			first[k] = i
		}
	}
	best := ""
	for k := range count {
		if best == "" || count[k] > count[best] || count[k] == count[best] && k < best {
			best = k
		}
	}
	if best == "" {
		return items[0]
	}
	return first[best]
}

// varyingFields tells which fields are not the same on all.
func varyingFields(items []Item) map[int]bool {
	varying := map[int]bool{}
	for _, i := range items[1:] {
		for k := range i.Values {
			if i.Values[k].Text != items[0].Values[k].Text && !comesAndGoes[i.At+"."+i.Values[k].Field] {
				varying[k] = true
			}
		}
	}
	return varying
}

// comesAndGoes are fields that are never the same on two hosts.
var comesAndGoes = map[string]bool{
	".name": true, ".captured_at": true, "disks.used_bytes": true, "disks.device": true, "mysql.free_space_bytes": true,
	"redis.memory_bytes": true, "network.interfaces.mac": true, "network.interfaces.addresses": true,
	"network.hostname": true, "network.fqdn": true, "fstab.device": true, "sudo_rules.line": true, "cron_jobs.line": true,
	"authorized_keys.line": true, "virtual_hosts.line": true, "network.hosts.line": true, "secrets.line": true,
}

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

// Item is a trait that can be matched with that of another host.
type Item struct {
	Trait
	// exact is equal for traits of the same kind and name.
	exact string
	// ID is equal for traits of the same kind whose names differ at most in the
	// host's own names and addresses.
	ID string
	// Source is the host that has the trait.
	Source *Source
}

// Source is a host with what is needed to compare it.
type Source struct {
	Host    *inventory.Host
	Names   Names
	Objects *inventory.Objects // contents of its files, may be nil
}

// Contents is the name of the field that has a file's hash and contents.
const Contents = "contents"

// literalKinds are kinds whose names never contain the name of a host.
var literalKinds = []string{"packages", "kernel.modules", "kernel.sysctl", "language_packages"}

// items returns the traits of a host.
func (s *Source) items() []Item {
	traits := traitsOf(s.Host)
	all := make([]Item, 0, len(traits))
	seen := map[string]int{}
	numbered := func(id string) string { // for example two equal cron jobs
		if seen[id]++; seen[id] > 1 {
			id += "\x00" + strconv.Itoa(seen[id])
		}
		return id
	}
	for _, t := range traits {
		exact := t.At + "\x00" + t.Name
		i := Item{Trait: withContents(t), exact: numbered(exact), Source: s}
		if i.ID = i.exact; !slices.Contains(literalKinds, t.At) {
			if id := s.Names.Replace(exact); id != exact {
				i.ID = numbered(id)
			}
		}
		all = append(all, i)
	}
	return all
}

// withContents replaces the fields about a file's contents by one field, Contents.
func withContents(t Trait) Trait {
	if t.At != "configuration" && t.At != "files" {
		return t
	}
	sum := Value{Field: Contents, object: t.Get("content")}
	for _, field := range []string{"sha256", "hmac", "content"} { // hashes of different kinds cannot be compared
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

// Normal returns a value with own names and addresses replaced, for comparisons.
func (i Item) Normal(v Value) string {
	if v.Field == Contents || slices.Contains(literalKinds, i.At) {
		return v.Text
	}
	return i.Source.Names.Replace(v.Text)
}

// Read returns the contents of a file as captured, and with own names and addresses
// replaced. It returns false if the inventory does not have them.
func (i Item) Read(v Value) (contents, normal string, ok bool) {
	if v.object == "" || i.Source.Objects == nil {
		return "", "", false
	}
	data, err := i.Source.Objects.Get(v.object)
	if err != nil {
		return "", "", false
	}
	return string(data), i.Source.Names.Replace(string(data)), true
}

// contentsHash returns a hash of a file's contents with own names and addresses
// replaced, or the captured hash if the contents are not at hand.
func (i Item) contentsHash(v Value) string {
	_, normal, ok := i.Read(v)
	if !ok {
		return v.Text
	}
	sum := sha256.Sum256([]byte(normal))
	return hex.EncodeToString(sum[:])
}

// Usual returns the items that more than half of the hosts have, each in the form
// that is most common among them, in the order of the model.
func Usual(sources []*Source) []Item {
	lists := make([][]Item, len(sources))
	exact := map[string]int{}
	for k, s := range sources {
		lists[k] = s.items()
		for _, i := range lists[k] {
			exact[i.exact]++
		}
	}
	byID := map[string][]Item{}
	for _, list := range lists {
		for _, i := range list {
			// A host named backup has the user backup like all others: a name that
			// another host has, too, is not the host's own.
			if exact[i.exact] > 1 {
				i.ID = i.exact
			}
			byID[i.ID] = append(byID[i.ID], i)
		}
	}
	var usual []Item
	for _, items := range byID {
		if 2*len(items) > len(sources) {
			usual = append(usual, mostCommon(items))
		}
	}
	slices.SortFunc(usual, func(a, b Item) int {
		return cmp.Or(cmp.Compare(modelOrder(a.At), modelOrder(b.At)), cmp.Compare(a.ID, b.ID))
	})
	return usual
}

// Match is a trait on two sides; nil on the side that lacks it.
type Match struct{ Old, New *Item }

// Pair matches the items of two lists: first by exact name, then by names without
// the hosts' own names and addresses. Matches are in the order of the model.
func Pair(before, after []Item) []Match {
	matches := make([]Match, 0, len(before))
	remaining := after
	for _, keyOf := range []func(Item) string{func(i Item) string { return i.exact }, func(i Item) string { return i.ID }} {
		byKey := map[string]*Item{}
		for k := range remaining {
			byKey[keyOf(remaining[k])] = &remaining[k]
		}
		matched := map[string]bool{}
		var unmatched []Item
		for k := range before {
			id := keyOf(before[k])
			if found := byKey[id]; found != nil && !matched[id] {
				matches = append(matches, Match{&before[k], found})
				matched[id] = true
				continue
			}
			unmatched = append(unmatched, before[k])
		}
		before, remaining = unmatched, slices.DeleteFunc(slices.Clone(remaining), func(i Item) bool { return matched[keyOf(i)] })
	}
	for k := range before {
		matches = append(matches, Match{Old: &before[k]})
	}
	for k := range remaining {
		matches = append(matches, Match{New: &remaining[k]})
	}
	slices.SortStableFunc(matches, func(a, b Match) int {
		x, y := a.present(), b.present()
		return cmp.Or(cmp.Compare(modelOrder(x.At), modelOrder(y.At)), cmp.Compare(x.Name, y.Name))
	})
	return matches
}

func (m Match) present() *Item {
	if m.Old != nil {
		return m.Old
	}
	return m.New
}

// mostCommon returns the most common form of an item. Of two equally common forms it
// returns the one that sorts first, so that the order of hosts does not matter.
func mostCommon(items []Item) Item {
	slices.SortStableFunc(items, func(a, b Item) int { return cmp.Compare(a.Source.Host.Name, b.Source.Host.Name) })
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
				parts = append(parts, i.contentsHash(v))
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

// varyingFields returns the indexes of the fields that differ, volatile ones
// excluded.
func varyingFields(items []Item) map[int]bool {
	varying := map[int]bool{}
	for _, i := range items[1:] {
		for k := range i.Values {
			if i.Values[k].Text != items[0].Values[k].Text && !volatileFields[i.At+"."+i.Values[k].Field] {
				varying[k] = true
			}
		}
	}
	return varying
}

// volatileFields are fields that are never the same on two hosts.
var volatileFields = map[string]bool{
	".name": true, ".captured_at": true, "disks.used_bytes": true, "disks.device": true, "mysql.free_space_bytes": true,
	"redis.memory_bytes": true, "network.interfaces.mac": true, "network.interfaces.addresses": true,
	"network.hostname": true, "network.fqdn": true, "fstab.device": true, "sudo_rules.line": true, "cron_jobs.line": true,
	"authorized_keys.line": true, "virtual_hosts.line": true, "network.hosts.line": true, "secrets.line": true,
}

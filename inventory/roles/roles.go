// Package roles groups captured hosts: those that are alike, which one recipe
// can build, and those that talk so much that they must move together.
package roles

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// Role is hosts that are alike.
type Role struct {
	// Name is of what the config calls them, or of what they run: lower-case
	// letters, digits and hyphens, and no other role's.
	Name  string
	Hosts []*inventory.Host // sorted by name
}

// Of groups hosts. Every host is in exactly one role. Roles are sorted by name,
// whatever the order of hosts.
func Of(hosts []*inventory.Host) []Role {
	byName := map[string][]*inventory.Host{}
	for _, h := range hosts {
		name := nameOf(h)
		byName[name] = append(byName[name], h)
	}
	var all []Role
	for name, members := range byName {
		slices.SortFunc(members, func(a, b *inventory.Host) int { return cmp.Compare(a.Name, b.Name) })
		all = append(all, Role{Name: name, Hosts: members})
	}
	slices.SortFunc(all, func(a, b Role) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// nameOf is what the config calls a host, or the server that it runs.
func nameOf(h *inventory.Host) string {
	if len(h.Roles) > 0 {
		roles := slices.Clone(h.Roles)
		slices.Sort(roles)
		return plain(strings.Join(slices.Compact(roles), "-"))
	}
	switch {
	case h.MySQL != nil, len(h.PostgreSQL) > 0:
		return "db"
	case len(h.Redis) > 0:
		return "cache"
	case len(h.VirtualHosts) > 0:
		return "web"
	}
	return "other"
}

var notPlain = regexp.MustCompile(`[^a-z0-9]+`)

// plain makes a name of lower-case letters, digits and hyphens.
func plain(name string) string {
	return cmp.Or(strings.Trim(notPlain.ReplaceAllString(strings.ToLower(name), "-"), "-"), "other")
}

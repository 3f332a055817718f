// Package roles groups captured hosts: those that are alike, which one recipe
// can build, and those that talk so much that they must move together.
package roles

import (
	"cmp"
	"slices"

	"github.com/dcmigrate/migrate/inventory"
)

// Role is hosts that are alike.
type Role struct {
	// Name is of what the config calls them, or of what they run: lower-case
	// letters, digits and hyphens, and no other role's.
	Name  string
	Hosts []*inventory.Host // sorted by name
}

// Of groups hosts. Every host is in exactly one role, and hosts that do not
// differ are in the same one. Roles are sorted by name, whatever the order of
// hosts. What the config calls hosts counts, but is not the truth: a host that
// is called web and does what the databases do is one of those.
func Of(hosts []*inventory.Host) []Role {
	found := clusters(hosts)
	names := nameAll(found)
	all := make([]Role, len(found))
	for i, c := range found {
		all[i] = Role{Name: names[i], Hosts: c.hosts}
	}
	slices.SortFunc(all, func(a, b Role) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

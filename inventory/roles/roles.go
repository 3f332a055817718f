// Package roles groups captured hosts: similar hosts, which one recipe can build,
// and hosts that talk to each other, which must move together. It needs only their
// inventories, and reads file contents where it has them. The order of hosts never
// changes the result.
package roles

import (
	"cmp"
	"slices"

	"github.com/dcmigrate/migrate/inventory"
)

// Role is a group of similar hosts.
type Role struct {
	// Name comes from the config, or from what they run. It has only lower-case
	// letters, digits and hyphens, and is unique.
	Name  string
	Hosts []*inventory.Host // sorted by name
}

// Of groups hosts. Every host is in exactly one role, and hosts that do not differ
// are in the same one. Roles are sorted by name. The config's roles count, but do
// not decide: a host that the config calls web and that does what the databases do
// is a database.
func Of(hosts []*inventory.Host) []Role {
	found := clusters(hosts)
	names := nameClusters(found)
	all := make([]Role, len(found))
	for i, c := range found {
		all[i] = Role{Name: names[i], Hosts: c.hosts}
	}
	slices.SortFunc(all, func(a, b Role) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

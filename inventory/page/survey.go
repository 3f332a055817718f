package page

import (
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/roles"
)

// maxOddShown is how many odd things are shown for a role; the pages of the hosts
// have all.
const maxOddShown = 60

// role is a role as the page shows it.
type role struct {
	Name     string
	Hosts    []string
	Count    int // of the things that they have in common
	Common   []common
	Odd      []roles.Odd
	OddCount int
}

type common struct {
	Kind  string
	Count int
	Names string
}

func rolesOf(portraits []roles.Portrait) []role {
	all := make([]role, len(portraits))
	for i, p := range portraits {
		r := role{Name: inventory.Printable(p.Name), Hosts: printable(p.Hosts), OddCount: len(p.Odd)}
		for _, c := range p.Common {
			r.Count += len(c.Names)
			r.Common = append(r.Common, common{inventory.Printable(c.Kind), len(c.Names), strings.Join(printable(c.Names), ", ")})
		}
		for _, o := range p.Odd[:min(len(p.Odd), maxOddShown)] {
			cells := printable([]string{o.Host, o.How, o.What, o.Usual, o.Here, o.Why})
			r.Odd = append(r.Odd, roles.Odd{Host: cells[0], How: cells[1], What: cells[2], Usual: cells[3], Here: cells[4], Why: cells[5]})
		}
		all[i] = r
	}
	return all
}

// moveGroup is hosts that must move together, and the reasons in words.
type moveGroup struct {
	Hosts, Because []string
}

func groupsOf(all []roles.MoveGroup) []moveGroup {
	groups := make([]moveGroup, len(all))
	for i, g := range all {
		groups[i].Hosts = printable(g.Hosts)
		for _, l := range g.Because {
			groups[i].Because = append(groups[i].Because, inventory.Printable(l.String()))
		}
	}
	return groups
}

// leftOut is a link that does not join its hosts, and the reason in words.
type leftOut struct{ Link, Why string }

func leftOutOf(all []roles.LeftOut) []leftOut {
	out := make([]leftOut, len(all))
	for i, l := range all {
		out[i] = leftOut{inventory.Printable(l.String()), inventory.Printable(l.Why)}
	}
	return out
}

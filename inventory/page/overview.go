package page

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/roles"
)

// row is a host in the table of all hosts. The numbers are what a column is
// sorted by.
type row struct {
	Name, Role, OS, Data string
	CPU                  int
	Memory, Used, Size   amount
	Packages, Services   int
	Explained, Total     int
	Findings, Missing    int
	Captured             string
}

// amount is a size in bytes and as people read it.
type amount struct {
	Bytes int64
	Text  string
}

func amountOf(n int64) amount { return amount{n, inventory.Bytes(n)} }

func overview(s Site, grouped []roles.Role) []row {
	roleOf := namesOfRoles(grouped)
	found := map[string]int{}
	for _, f := range s.Findings {
		found[f.Host]++
	}
	rows := make([]row, len(s.Hosts))
	for i, h := range s.Hosts {
		used, size := h.DiskSpace()
		rows[i] = row{
			Name: inventory.Printable(h.Name), Role: inventory.Printable(roleOf[h.Name]),
			OS: inventory.Printable(strings.TrimSpace(h.OS.ID + " " + h.OS.Release)), Data: dataText(h),
			CPU: h.CPU.Count, Memory: amountOf(h.Memory.Total), Used: amountOf(used), Size: amountOf(size),
			Packages: len(h.Packages), Services: len(h.Services),
			Explained: h.Coverage.Explained, Total: h.Coverage.Total,
			Findings: found[h.Name], Missing: len(h.Missing),
			Captured: h.CapturedAt.UTC().Format("2006-01-02 15:04"),
		}
	}
	return rows
}

func namesOfRoles(grouped []roles.Role) map[string]string {
	names := map[string]string{}
	for _, r := range grouped {
		for _, h := range r.Hosts {
			names[h.Name] = r.Name
		}
	}
	return names
}

// dataText names the databases of a host.
func dataText(h *inventory.Host) string {
	var all []string
	if h.MySQL != nil {
		all = append(all, "MySQL "+h.MySQL.Version+" "+inventory.Bytes(h.MySQL.DataSize()))
	}
	for _, pg := range h.PostgreSQL {
		all = append(all, "PostgreSQL "+pg.Version)
	}
	for _, r := range h.Redis {
		all = append(all, "Redis "+r.Version)
	}
	return inventory.Printable(strings.Join(all, ", "))
}

// role is hosts that are alike, by their names.
type role struct {
	Name  string
	Hosts []string
}

func rolesOf(grouped []roles.Role) []role {
	all := make([]role, len(grouped))
	for i, r := range grouped {
		all[i].Name = inventory.Printable(r.Name)
		for _, h := range r.Hosts {
			all[i].Hosts = append(all[i].Hosts, inventory.Printable(h.Name))
		}
	}
	return all
}

// moveGroup is hosts that must move together, and why, in words.
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

// kind is findings of one kind.
type kind struct {
	Name string
	List []inventory.Finding
	// Open: they are few enough to be shown unasked.
	Open bool
}

// manyFindings of one kind are folded away.
const manyFindings = 60

func kindsOf(found []inventory.Finding) []kind {
	byKind := map[string][]inventory.Finding{}
	for _, f := range found {
		byKind[f.Kind] = append(byKind[f.Kind], inventory.Finding{
			Host: inventory.Printable(f.Host), Kind: f.Kind, Where: inventory.Printable(f.Where), Text: inventory.Printable(f.Text),
		})
	}
	var kinds []kind
	for name, list := range byKind {
		kinds = append(kinds, kind{inventory.Printable(name), list, len(list) <= manyFindings})
	}
	slices.SortFunc(kinds, func(a, b kind) int { return cmp.Compare(a.Name, b.Name) })
	return kinds
}

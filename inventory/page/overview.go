package page

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/phrase"
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

func amountOf(n int64) amount { return amount{n, phrase.Bytes(n)} }

func overview(s Site, portraits []roles.Portrait) []row {
	roleOf := namesOfRoles(portraits)
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

// namesOfRoles are by the names of hosts.
func namesOfRoles(portraits []roles.Portrait) map[string]string {
	names := map[string]string{}
	for _, p := range portraits {
		for _, h := range p.Hosts {
			names[h] = p.Name
		}
	}
	return names
}

// dataText names the databases of a host.
func dataText(h *inventory.Host) string {
	var all []string
	if h.MySQL != nil {
		all = append(all, "MySQL "+h.MySQL.Version+" "+phrase.Bytes(h.MySQL.DataSize()))
	}
	for _, pg := range h.PostgreSQL {
		all = append(all, "PostgreSQL "+pg.Version)
	}
	for _, r := range h.Redis {
		all = append(all, "Redis "+r.Version)
	}
	return inventory.Printable(strings.Join(all, ", "))
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

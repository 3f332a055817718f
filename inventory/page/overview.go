package page

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/findings"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/phrase"
)

// hostRow is a host in the table of all hosts. Columns are sorted by the numbers.
type hostRow struct {
	Name, Role, OS, Data string
	CPU                  int
	Memory, Used, Size   amount
	Packages, Services   int
	Explained, Total     int
	Findings, Missing    int
	Captured             string
}

// amount is a size in bytes, and as text for people.
type amount struct {
	Bytes int64
	Text  string
}

func amountOf(n int64) amount { return amount{n, phrase.Size(n)} }

func hostRows(s Site, portraits []roles.Portrait) []hostRow {
	roleOf := namesOfRoles(portraits)
	found := map[string]int{}
	for _, f := range s.Findings {
		found[f.Host]++
	}
	rows := make([]hostRow, len(s.Hosts))
	for i, h := range s.Hosts {
		used, size := h.DiskSpace()
		rows[i] = hostRow{
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

// namesOfRoles maps hosts to their roles.
func namesOfRoles(portraits []roles.Portrait) map[string]string {
	names := map[string]string{}
	for _, p := range portraits {
		for _, h := range p.Hosts {
			names[h] = p.Name
		}
	}
	return names
}

// dataText lists the databases of a host.
func dataText(h *inventory.Host) string {
	var all []string
	if h.MySQL != nil {
		all = append(all, "MySQL "+h.MySQL.Version+" "+phrase.Size(h.MySQL.DataSize()))
	}
	for _, pg := range h.PostgreSQL {
		all = append(all, "PostgreSQL "+pg.Version)
	}
	for _, r := range h.Redis {
		all = append(all, "Redis "+r.Version)
	}
	return inventory.Printable(strings.Join(all, ", "))
}

// findingKind is all findings of one kind.
type findingKind struct {
	Name string
	List []findings.Finding
	// Open reports that they are few enough to be shown at first.
	Open bool
}

// maxOpenFindings is the number of findings of one kind up to which they are shown
// at first.
const maxOpenFindings = 60

func kindsOf(found []findings.Finding) []findingKind {
	byKind := map[string][]findings.Finding{}
	for _, f := range found {
		byKind[f.Kind] = append(byKind[f.Kind], findings.Finding{
			Host: inventory.Printable(f.Host), Kind: f.Kind, Where: inventory.Printable(f.Where), Text: inventory.Printable(f.Text),
		})
	}
	var kinds []findingKind
	for name, list := range byKind {
		kinds = append(kinds, findingKind{inventory.Printable(name), list, len(list) <= maxOpenFindings})
	}
	slices.SortFunc(kinds, func(a, b findingKind) int { return cmp.Compare(a.Name, b.Name) })
	return kinds
}

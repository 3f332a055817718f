package page

import (
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/findings"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/inventory/show"
)

// data is what the page's script shows and searches: the tables of all hosts with
// each row once, and for each host the numbers of its rows. 500 hosts of a few roles
// have most of their rows in common.
type data struct {
	Tables []*dataTable `json:"tables"`
	Hosts  []*dataHost  `json:"hosts"`

	index map[string]int
}

type dataTable struct {
	Name   string     `json:"name"`
	Header []string   `json:"header"`
	Rows   [][]string `json:"rows"`

	index map[string]int
}

type dataHost struct {
	Name string `json:"name"`
	Role string `json:"role"`
	// Tables has for each table its index, then pairs: the first of consecutive
	// rows, and their number.
	Tables [][]int `json:"tables"`

	at map[int]int // index of a table to its position in Tables
}

func dataOf(s Site, portraits []roles.Portrait, links []link) *data {
	d := &data{index: map[string]int{}, Tables: []*dataTable{}, Hosts: []*dataHost{}}
	roleOf := namesOfRoles(portraits)
	findings, connections, odd := findingTables(s.Findings), linkTables(links), oddTables(portraits)
	for _, h := range s.Hosts {
		host := &dataHost{Name: inventory.Printable(h.Name), Role: inventory.Printable(roleOf[h.Name]), at: map[int]int{}}
		d.Hosts = append(d.Hosts, host)
		tables := append([]show.Table{show.Facts(h), findings[h.Name], odd[h.Name], connections[h.Name]}, show.Tables(h, false)...)
		for _, t := range tables {
			d.add(host, t)
		}
	}
	return d
}

// findingTables returns a table of findings for each host.
func findingTables(found []findings.Finding) map[string]show.Table {
	all := map[string]show.Table{}
	for _, f := range found {
		t := all[f.Host]
		t.Name, t.Header = "findings", []string{"FINDING", "WHERE", "WHAT"}
		t.Rows = append(t.Rows, []string{f.Kind, f.Where, f.Text})
		all[f.Host] = t
	}
	return all
}

// oddTables returns a table for each host that differs from most hosts of its role.
func oddTables(portraits []roles.Portrait) map[string]show.Table {
	all := map[string]show.Table{}
	for _, p := range portraits {
		for _, o := range p.Odd {
			t := all[o.Host]
			t.Name, t.Header = "odd in its role", []string{"ODD", "WHAT", "USUALLY", "HERE", "WHY"}
			t.Rows = append(t.Rows, []string{o.How, o.What, o.Usual, o.Here, o.Why})
			all[o.Host] = t
		}
	}
	return all
}

// add adds the rows of a host's table. Tables with equal names and headers are one
// table.
func (d *data) add(host *dataHost, t show.Table) {
	if len(t.Rows) == 0 {
		return
	}
	key := t.Name + "\x00" + strings.Join(t.Header, "\x00")
	n, ok := d.index[key]
	if !ok {
		n = len(d.Tables)
		d.index[key] = n
		d.Tables = append(d.Tables, &dataTable{Name: inventory.Printable(t.Name), Header: printable(t.Header), index: map[string]int{}})
	}
	at, ok := host.at[n]
	if !ok {
		at = len(host.Tables)
		host.at[n] = at
		host.Tables = append(host.Tables, []int{n})
	}
	for _, cells := range t.Rows {
		host.Tables[at] = appendRow(host.Tables[at], d.Tables[n].row(cells))
	}
}

// row returns the index of a row and adds the row if it is new.
func (t *dataTable) row(cells []string) int {
	key := strings.Join(cells, "\x00")
	n, ok := t.index[key]
	if !ok {
		n = len(t.Rows)
		t.index[key] = n
		t.Rows = append(t.Rows, printable(cells))
	}
	return n
}

// appendRow adds a row to the pairs of first row and number, which follow the
// table's index.
func appendRow(pairs []int, row int) []int {
	if n := len(pairs); n > 1 && pairs[n-2]+pairs[n-1] == row {
		pairs[n-1]++
		return pairs
	}
	return append(pairs, row, 1)
}

func printable(cells []string) []string {
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = inventory.Printable(c)
	}
	return out
}

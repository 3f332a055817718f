package roles

import (
	"fmt"
	"io"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// Survey is how a site reads: its roles, and what must move together.
type Survey struct {
	Roles      []Portrait  `json:"roles"`
	MoveGroups []MoveGroup `json:"move_groups"`
	LeftOut    []LeftOut   `json:"links_left_out"`
}

// SurveyOf groups hosts; objects has the contents of their files.
func SurveyOf(hosts []*inventory.Host, objects *inventory.Objects) Survey {
	s := Survey{Roles: []Portrait{}, LeftOut: []LeftOut{}}
	for _, r := range Of(hosts) {
		s.Roles = append(s.Roles, Portray(r, objects))
	}
	groups, leftOut := Traffic(hosts)
	s.MoveGroups = append([]MoveGroup{}, groups...)
	s.LeftOut = append(s.LeftOut, leftOut...)
	return s
}

// Most lines that a table has of one thing: JSON has them all.
const (
	widest  = 100 // characters of a list of names
	mostOdd = 15  // of one host
)

// Show writes a survey for the terminal.
func Show(w io.Writer, s Survey) error {
	tables := []inventory.Table{
		{Header: []string{"ROLE", "COUNT", "HOSTS", "IN COMMON", "ODD"}},
		{Header: []string{"ROLE", "KIND", "COUNT", "COMMON TO ALL ITS HOSTS"}},
		{Header: []string{"ROLE", "HOST", "ODD", "WHAT", "USUALLY", "HERE", "WHY"}},
		{Header: []string{"MOVE TOGETHER", "BECAUSE", "CONNECTIONS"}},
		{Header: []string{"LINK LEFT OUT", "WHY"}},
	}
	for _, p := range s.Roles {
		common := 0
		for _, c := range p.Common {
			common += len(c.Names)
			tables[1].Rows = append(tables[1].Rows, []string{p.Name, c.Kind, fmt.Sprint(len(c.Names)), shorten(c.Names)})
		}
		tables[0].Rows = append(tables[0].Rows, []string{p.Name, fmt.Sprint(len(p.Hosts)), shorten(p.Hosts), fmt.Sprint(common), fmt.Sprint(len(p.Odd))})
		tables[2].Rows = append(tables[2].Rows, oddRows(p)...)
	}
	for _, g := range s.MoveGroups {
		if len(g.Because) == 0 {
			tables[3].Rows = append(tables[3].Rows, []string{shorten(g.Hosts), "it talks to no other host: it may move alone", ""})
		}
		for i, l := range g.Because {
			hosts := shorten(g.Hosts)
			if i > 0 {
				hosts = " " // as above
			}
			tables[3].Rows = append(tables[3].Rows, []string{hosts, l.String(), seen(l.Connections)})
		}
	}
	for _, l := range s.LeftOut {
		tables[4].Rows = append(tables[4].Rows, []string{l.String(), l.Why})
	}
	if err := inventory.WriteTables(w, tables...); err != nil {
		return fmt.Errorf("show roles: %w", err)
	}
	return nil
}

func seen(connections int) string {
	if connections == 0 {
		return "only configured"
	}
	return fmt.Sprint(connections)
}

// oddRows lists what is odd, of each host so much that the others are seen too.
func oddRows(p Portrait) [][]string {
	var rows [][]string
	count := map[string]int{}
	for _, o := range p.Odd {
		if count[o.Host]++; count[o.Host] <= mostOdd {
			rows = append(rows, []string{p.Name, o.Host, o.How, o.What, cut(o.Usual), cut(o.Here), o.Why})
		}
	}
	for _, host := range p.Hosts {
		if more := count[host] - mostOdd; more > 0 {
			rows = append(rows, []string{p.Name, host, "and", fmt.Sprintf("%d more: --json has them", more), "", "", ""})
		}
	}
	return rows
}

func shorten(names []string) string {
	text := ""
	for i, name := range names {
		if i > 0 && len(text)+len(name) > widest {
			return fmt.Sprintf("%s and %d more", text, len(names)-i)
		}
		text = strings.TrimPrefix(text+", "+name, ", ")
	}
	return text
}

func cut(text string) string {
	const most = 40
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

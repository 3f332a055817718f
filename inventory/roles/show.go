package roles

import (
	"fmt"
	"io"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/show"
	"github.com/dcmigrate/migrate/phrase"
)

// Survey describes a site: its roles, and which hosts must move together.
type Survey struct {
	Roles      []Portrait  `json:"roles"`
	MoveGroups []MoveGroup `json:"move_groups"`
	LeftOut    []LeftOut   `json:"links_left_out"`
}

// SurveyOf groups hosts. objects has the contents of their files; if it is nil,
// hashes are compared.
func SurveyOf(hosts []*inventory.Host, objects *inventory.Objects) Survey {
	s := Survey{Roles: []Portrait{}, LeftOut: []LeftOut{}}
	roles := Of(hosts)
	for _, r := range roles {
		s.Roles = append(s.Roles, portray(r, objects))
	}
	addMisnamed(roles, s.Roles)
	groups, leftOut := traffic(hosts)
	s.MoveGroups = append([]MoveGroup{}, groups...)
	s.LeftOut = append(s.LeftOut, leftOut...)
	return s
}

// Limits of the tables; the JSON has everything.
const (
	maxListWidth = 100 // characters in a list of names
	maxOddRows   = 15  // rows for one host
	maxCellWidth = 40  // letters of a value
)

// Show writes a survey for the terminal.
func Show(w io.Writer, s Survey) error {
	roles := show.Table{Header: []string{"ROLE", "COUNT", "HOSTS", "CALLED", "IN COMMON", "ODD"}}
	odd := show.Table{Header: []string{"ROLE", "HOST", "ODD", "WHAT", "USUALLY", "HERE", "WHY"}}
	for _, p := range s.Roles {
		common := 0
		for _, c := range p.Common {
			common += len(c.Names)
		}
		roles.Rows = append(roles.Rows, []string{p.Name, fmt.Sprint(len(p.Hosts)), shorten(p.Hosts), shorten(p.ConfigNames), fmt.Sprint(common), fmt.Sprint(len(p.Odd))})
		odd.Rows = append(odd.Rows, oddRows(p)...)
	}
	if err := show.Write(w, roles, commonTable(s.Roles), odd, groupTable(s.MoveGroups), leftOutTable(s.LeftOut)); err != nil {
		return fmt.Errorf("show roles: %w", err)
	}
	return nil
}

// commonTable lists what the hosts of each role have in common. What all roles have
// is listed once.
func commonTable(roles []Portrait) show.Table {
	t := show.Table{Header: []string{"ROLE", "KIND", "COUNT", "COMMON TO ALL ITS HOSTS"}}
	count := map[[2]string]int{}
	for _, p := range roles {
		for _, c := range p.Common {
			for _, name := range c.Names {
				count[[2]string{c.Kind, name}]++
			}
		}
	}
	rows := func(role string, p Portrait, everywhere bool) {
		for _, c := range p.Common {
			var names []string
			for _, name := range c.Names {
				if (count[[2]string{c.Kind, name}] == len(roles)) == everywhere {
					names = append(names, name)
				}
			}
			if len(names) > 0 {
				t.Rows = append(t.Rows, []string{role, c.Kind, fmt.Sprint(len(names)), shorten(names)})
			}
		}
	}
	if len(roles) == 1 {
		rows(roles[0].Name, roles[0], true)
		return t
	}
	for i, p := range roles {
		if i == 0 {
			rows("(all roles)", p, true)
		}
		rows(p.Name, p, false)
	}
	return t
}

// groupTable lists the hosts that move together, then those that may move alone.
func groupTable(groups []MoveGroup) show.Table {
	t := show.Table{Header: []string{"MOVE TOGETHER", "BECAUSE", "CONNECTIONS"}}
	var alone []string
	for _, g := range groups {
		if len(g.Because) == 0 {
			alone = append(alone, g.Hosts...)
		}
		for i, l := range g.Because {
			hosts := shorten(g.Hosts)
			if i > 0 {
				hosts = " " // the same as in the row above
			}
			t.Rows = append(t.Rows, []string{hosts, l.String(), connectionsText(l.Connections)})
		}
	}
	if len(alone) > 0 {
		t.Rows = append(t.Rows, []string{"(each alone)", shorten(alone), ""})
	}
	return t
}

// leftOutTable lists links that do not join hosts, one row for each reason.
func leftOutTable(links []LeftOut) show.Table {
	t := show.Table{Header: []string{"LINK LEFT OUT", "MORE LIKE IT", "WHY"}}
	row := map[string]int{}
	more := map[string]int{}
	for _, l := range links {
		if _, ok := row[l.Why]; ok {
			more[l.Why]++
			t.Rows[row[l.Why]][1] = fmt.Sprint(more[l.Why])
			continue
		}
		row[l.Why] = len(t.Rows)
		t.Rows = append(t.Rows, []string{shorten(l.From) + strings.TrimPrefix(l.String(), strings.Join(l.From, ", ")), "", l.Why})
	}
	return t
}

func connectionsText(connections int) string {
	if connections == 0 {
		return "only configured"
	}
	return fmt.Sprint(connections)
}

// oddRows lists what is odd. The rows for one host are limited so that the other
// hosts stay visible.
func oddRows(p Portrait) [][]string {
	var rows [][]string
	count := map[string]int{}
	for _, o := range p.Odd {
		if count[o.Host]++; count[o.Host] <= maxOddRows {
			rows = append(rows, []string{p.Name, o.Host, o.How, o.What, phrase.Cut(o.Usual, maxCellWidth), phrase.Cut(o.Here, maxCellWidth), o.Why})
		}
	}
	for _, host := range p.Hosts {
		if more := count[host] - maxOddRows; more > 0 {
			rows = append(rows, []string{p.Name, host, "and", fmt.Sprintf("%d more: --json has them", more), "", "", ""})
		}
	}
	return rows
}

func shorten(names []string) string {
	text := ""
	for i, name := range names {
		if i > 0 && len(text)+len(name) > maxListWidth {
			return fmt.Sprintf("%s and %d more", text, len(names)-i)
		}
		text = strings.TrimPrefix(text+", "+name, ", ")
	}
	return text
}

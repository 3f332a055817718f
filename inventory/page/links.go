package page

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// end is one side of a connection: a captured host by its name, or an address
// that is none's.
type end struct {
	Name    string
	Outside bool
}

// elsewhere is all clients that are no captured hosts: a web server has
// thousands of them.
var elsewhere = end{Name: "elsewhere", Outside: true}

// service is what a client talks to on a host.
type service struct {
	Protocol string
	Port     int
}

// link is all connections from one end to another.
type link struct {
	From, To end
	Services []linkService // by port
	Count    int           // of connections, at once
}

type linkService struct {
	service
	Process string // what stands there, where that is known
	Count   int
}

// String is "3306/tcp mariadbd ×12".
func (s linkService) String() string {
	text := strings.TrimSpace(fmt.Sprintf("%d/%s %s", s.Port, s.Protocol, s.Process))
	if s.Count > 1 {
		text += " ×" + strconv.Itoa(s.Count)
	}
	return text
}

// seen is how many connections each side saw; a side that could not look, or
// looked at another moment, saw fewer.
type seen struct {
	client, server int
	process        string
}

type talk struct {
	from, to end
	service
}

// linksOf joins what both sides saw of the connections, by their names.
func linksOf(s Site) []link {
	owner := ownersOf(s)
	talks := map[talk]*seen{}
	for _, h := range s.Hosts {
		for _, c := range h.Connections {
			here, there := end{Name: h.Name}, end{Name: c.Peer, Outside: true}
			if name, ok := owner[c.Peer]; ok {
				there = end{Name: name}
			}
			if here == there {
				continue
			}
			t := talk{here, there, service{c.Protocol, c.Port}}
			if c.Direction == inventory.In {
				t.from, t.to = there, here
				if there.Outside {
					t.from = elsewhere
				}
			}
			if talks[t] == nil {
				talks[t] = &seen{}
			}
			talks[t].note(c)
		}
	}
	return joinTalks(talks)
}

func (s *seen) note(c inventory.Connection) {
	if c.Direction == inventory.In {
		s.server += max(c.Count, 1)
		s.process = max(s.process, c.Process)
	} else {
		s.client += max(c.Count, 1)
	}
}

func joinTalks(talks map[talk]*seen) []link {
	type pair struct{ from, to end }
	byPair := map[pair]*link{}
	for t, seen := range talks {
		p := pair{t.from, t.to}
		if byPair[p] == nil {
			byPair[p] = &link{From: t.from, To: t.to}
		}
		count := max(seen.client, seen.server)
		byPair[p].Count += count
		byPair[p].Services = append(byPair[p].Services, linkService{t.service, seen.process, count})
	}
	links := make([]link, 0, len(byPair))
	for _, l := range byPair {
		slices.SortFunc(l.Services, func(a, b linkService) int {
			return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
		})
		links = append(links, *l)
	}
	slices.SortFunc(links, func(a, b link) int { return cmp.Or(compareEnds(a.From, b.From), compareEnds(a.To, b.To)) })
	return links
}

// compareEnds sorts hosts by name, then the addresses that are none's.
func compareEnds(a, b end) int {
	if a.Outside != b.Outside {
		if b.Outside {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.Name, b.Name)
}

// ownersOf maps addresses to the hosts that have them. One that two hosts have,
// such as a container bridge's, is nobody's.
func ownersOf(s Site) map[string]string {
	owner := map[string]string{}
	own := func(a netip.Addr, name string) {
		text := a.Unmap().WithZone("").String()
		if other, ok := owner[text]; ok && other != name {
			name = ""
		}
		owner[text] = name
	}
	for _, h := range s.Hosts {
		for _, a := range append(traits.Addresses(h), s.Addresses[h.Name]...) {
			own(a, h.Name)
		}
	}
	for a, name := range owner {
		if name == "" {
			delete(owner, a)
		}
	}
	return owner
}

func servicesText(l link) string {
	var all []string
	for _, s := range l.Services {
		all = append(all, s.String())
	}
	return inventory.Printable(strings.Join(all, ", "))
}

// linkTables are whom each host talks to, by the host's name.
func linkTables(links []link) map[string]inventory.Table {
	all := map[string]inventory.Table{}
	add := func(host string, l link) {
		t := all[host]
		t.Name, t.Header = "talks to", []string{"FROM", "TO", "ON"}
		t.Rows = append(t.Rows, []string{l.From.Name, l.To.Name, servicesText(l)})
		all[host] = t
	}
	for _, l := range links {
		if !l.From.Outside {
			add(l.From.Name, l)
		}
		if !l.To.Outside {
			add(l.To.Name, l)
		}
	}
	return all
}

package page

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/show"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// endpoint is one end of a connection: a captured host by its name, or an outside
// address.
type endpoint struct {
	Name    string
	Outside bool
}

// outsideClients stands for all clients that are not captured hosts: a web server
// has thousands of them.
var outsideClients = endpoint{Name: "elsewhere", Outside: true}

// service is a port that clients talk to.
type service struct {
	Protocol string
	Port     int
}

// link is all connections from one endpoint to another.
type link struct {
	From, To endpoint
	Services []linkService // by port
	Count    int           // connections at once
}

type linkService struct {
	service
	Process string // the listening program, if known
	Count   int
}

// String returns "3306/tcp mariadbd ×12".
func (s linkService) String() string {
	text := strings.TrimSpace(fmt.Sprintf("%d/%s %s", s.Port, s.Protocol, s.Process))
	if s.Count > 1 {
		text += " ×" + strconv.Itoa(s.Count)
	}
	return text
}

// sightings are the numbers of connections that the client and the server saw. A
// host that could not look, or looked at another moment, saw fewer.
type sightings struct {
	client, server int
	process        string
}

type conversation struct {
	from, to endpoint
	service
}

// linksOf joins the connections that both ends saw, sorted by the names of the ends.
func linksOf(s Site) []link {
	owner := ownersOf(s)
	conversations := map[conversation]*sightings{}
	for _, h := range s.Hosts {
		for _, c := range h.Connections {
			here, there := endpoint{Name: h.Name}, endpoint{Name: c.Peer, Outside: true}
			if name, ok := owner[c.Peer]; ok {
				there = endpoint{Name: name}
			}
			if here == there {
				continue
			}
			t := conversation{here, there, service{c.Protocol, c.Port}}
			if c.Direction == inventory.In {
				t.from, t.to = there, here
				if there.Outside {
					t.from = outsideClients
				}
			}
			if conversations[t] == nil {
				conversations[t] = &sightings{}
			}
			conversations[t].count(c)
		}
	}
	return joinConversations(conversations)
}

func (s *sightings) count(c inventory.Connection) {
	if c.Direction == inventory.In {
		s.server += max(c.Count, 1)
		s.process = max(s.process, c.Process)
	} else {
		s.client += max(c.Count, 1)
	}
}

func joinConversations(conversations map[conversation]*sightings) []link {
	type pair struct{ from, to endpoint }
	byPair := map[pair]*link{}
	for t, sighting := range conversations {
		p := pair{t.from, t.to}
		if byPair[p] == nil {
			byPair[p] = &link{From: t.from, To: t.to}
		}
		count := max(sighting.client, sighting.server)
		byPair[p].Count += count
		byPair[p].Services = append(byPair[p].Services, linkService{t.service, sighting.process, count})
	}
	links := make([]link, 0, len(byPair))
	for _, l := range byPair {
		slices.SortFunc(l.Services, func(a, b linkService) int {
			return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
		})
		links = append(links, *l)
	}
	slices.SortFunc(links, func(a, b link) int { return cmp.Or(compareEndpoints(a.From, b.From), compareEndpoints(a.To, b.To)) })
	return links
}

// compareEndpoints sorts hosts by name, then outside addresses.
func compareEndpoints(a, b endpoint) int {
	if a.Outside != b.Outside {
		if b.Outside {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.Name, b.Name)
}

// ownersOf maps addresses to the hosts that have them. An address that two hosts
// have, such as a container bridge's, is left out.
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

// linkTables returns a table of links for each host.
func linkTables(links []link) map[string]show.Table {
	all := map[string]show.Table{}
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

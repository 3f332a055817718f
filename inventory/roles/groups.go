package roles

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// Link is clients that talk to one port of a server, all of them captured hosts.
type Link struct {
	From     []string `json:"from"` // names of hosts, sorted
	To       string   `json:"to"`   // name of a host
	Protocol string   `json:"protocol"`
	Port     int      `json:"port"`
	What     string   `json:"what,omitempty"` // what stands there: "mysql"
}

// String is "web1, web2 → db1:3306 (mysql)".
func (l Link) String() string {
	text := fmt.Sprintf("%s → %s:%d", strings.Join(l.From, ", "), l.To, l.Port)
	if l.What != "" {
		text += " (" + l.What + ")"
	}
	return text
}

// MoveGroup is hosts that talk so much that they must move together.
type MoveGroup struct {
	Hosts   []string `json:"hosts"` // names, sorted
	Because []Link   `json:"because,omitempty"`
}

// MoveGroups joins hosts that talk to each other. Every host is in exactly one
// group; one that talks to no other is alone in its own.
func MoveGroups(hosts []*inventory.Host) []MoveGroup {
	links := linksOf(hosts)
	group := map[string]string{} // host to the first of its group
	for _, h := range hosts {
		group[h.Name] = h.Name
	}
	join := func(a, b string) {
		from, to := max(group[a], group[b]), min(group[a], group[b])
		for name, g := range group {
			if g == from {
				group[name] = to
			}
		}
	}
	for _, l := range links {
		for _, from := range l.From {
			join(from, l.To)
		}
	}
	byFirst := map[string]*MoveGroup{}
	for name, first := range group {
		if byFirst[first] == nil {
			byFirst[first] = &MoveGroup{}
		}
		byFirst[first].Hosts = append(byFirst[first].Hosts, name)
	}
	for _, l := range links {
		g := byFirst[group[l.To]]
		g.Because = append(g.Because, l)
	}
	var all []MoveGroup
	for _, g := range byFirst {
		slices.Sort(g.Hosts)
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b MoveGroup) int { return cmp.Compare(a.Hosts[0], b.Hosts[0]) })
	return all
}

type endpoint struct {
	to, protocol string
	port         int
}

// linksOf joins what both sides saw of the connections between hosts.
func linksOf(hosts []*inventory.Host) []Link {
	owner := owners(hosts)
	clients := map[endpoint][]string{}
	for _, h := range hosts {
		for _, c := range h.Connections {
			peer, ok := owner[c.Peer]
			if !ok || peer == h.Name {
				continue
			}
			from, to := h.Name, peer
			if c.Direction == inventory.In {
				from, to = peer, h.Name
			}
			e := endpoint{to, c.Protocol, c.Port}
			clients[e] = append(clients[e], from)
		}
	}
	var links []Link
	for e, from := range clients {
		slices.Sort(from)
		links = append(links, Link{From: slices.Compact(from), To: e.to, Protocol: e.protocol, Port: e.port})
	}
	slices.SortFunc(links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	return links
}

// owners maps the addresses of hosts to their names. An address that two hosts
// have, such as a container bridge's, belongs to none.
func owners(hosts []*inventory.Host) map[string]string {
	owner := map[string]string{}
	for _, h := range hosts {
		for _, i := range h.Network.Interfaces {
			for _, text := range i.Addresses {
				p, err := netip.ParsePrefix(text)
				if err != nil || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() {
					continue
				}
				a := p.Addr().Unmap().String()
				if other, ok := owner[a]; ok && other != h.Name {
					owner[a] = ""
					continue
				}
				owner[a] = h.Name
			}
		}
	}
	for a, name := range owner {
		if name == "" {
			delete(owner, a)
		}
	}
	return owner
}

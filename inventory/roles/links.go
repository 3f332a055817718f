package roles

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// Link is clients that talk to one port of a server, all of them captured hosts.
type Link struct {
	From     []string `json:"from"` // names of hosts, sorted
	To       string   `json:"to"`   // name of a host
	Protocol string   `json:"protocol"`
	Port     int      `json:"port"`
	What     string   `json:"what,omitempty"` // what stands there: "mysql"
	// Connections is how many were seen at once, of all clients; 0: none, but
	// the clients' settings name the server.
	Connections int `json:"connections"`
}

// String is "web1, web2 → db1:3306 (mysql)".
func (l Link) String() string {
	text := fmt.Sprintf("%s → %s:%d", strings.Join(l.From, ", "), l.To, l.Port)
	if l.What != "" {
		text += " (" + l.What + ")"
	}
	return text
}

type endpoint struct {
	to, protocol string
	port         int
}

// linksOf joins what both sides saw of the connections between hosts, and what
// their servers are set to talk to.
func linksOf(hosts []*inventory.Host) []Link {
	owner := owners(hosts)
	seen := map[endpoint]map[string]int{} // to clients and their connections
	what := map[endpoint]string{}
	add := func(from, to, protocol string, port, count int, process string) {
		if to == "" || to == from {
			return
		}
		e := endpoint{to, protocol, port}
		if seen[e] == nil {
			seen[e] = map[string]int{}
		}
		seen[e][from] = max(seen[e][from], count) // both sides saw the same
		what[e] = max(what[e], process)
	}
	for _, h := range hosts {
		for _, c := range h.Connections {
			count := max(c.Count, 1)
			if c.Direction == inventory.In {
				if from := owner[c.Peer]; from != "" {
					add(from, h.Name, c.Protocol, c.Port, count, c.Process)
				}
				continue
			}
			add(h.Name, owner[c.Peer], c.Protocol, c.Port, count, "")
		}
		for _, u := range upstreams(h) {
			add(h.Name, owner[u.host], "tcp", u.port, 0, "")
		}
	}
	listening := listenersOf(hosts)
	var links []Link
	for e, clients := range seen {
		l := Link{To: e.to, Protocol: e.protocol, Port: e.port, What: serverName(cmp.Or(listening[e], what[e]), e.port)}
		for from, count := range clients {
			l.From = append(l.From, from)
			l.Connections += count
		}
		slices.Sort(l.From)
		links = append(links, l)
	}
	slices.SortFunc(links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	return links
}

type upstream struct {
	host string
	port int
}

// upstreams are what a host's databases copy from, and what its web servers pass
// requests on to.
func upstreams(h *inventory.Host) []upstream {
	var all []upstream
	if h.MySQL != nil {
		for _, u := range h.MySQL.Replicas {
			all = append(all, upstream{u.Host, u.Port})
		}
	}
	for _, r := range h.Redis {
		all = append(all, addressIn(r.Upstream)...)
	}
	for _, v := range h.VirtualHosts {
		for _, proxy := range v.Proxies {
			all = append(all, addressIn(proxy)...)
		}
	}
	return all
}

// hostPort is a host and a port, or a URL of one.
var hostPort = regexp.MustCompile(`^(?:(\w+)://)?(?:\[([0-9a-fA-F:]+)\]|([\w.-]+))(?::(\d+))?(?:/|$)`)

var schemePorts = map[string]int{"http": 80, "https": 443}

// addressIn is the address that a setting names, if it is one with a port.
func addressIn(setting string) []upstream {
	m := hostPort.FindStringSubmatch(setting)
	if m == nil {
		return nil
	}
	port, err := strconv.Atoi(m[4])
	if err != nil {
		port = schemePorts[m[1]]
	}
	if port == 0 {
		return nil
	}
	return []upstream{{cmp.Or(m[2], m[3]), port}}
}

// listenersOf names the programs that stand at ports.
func listenersOf(hosts []*inventory.Host) map[endpoint]string {
	all := map[endpoint]string{}
	for _, h := range hosts {
		for _, l := range h.Listeners {
			e := endpoint{h.Name, l.Protocol, l.Port}
			all[e] = max(all[e], l.Process)
		}
	}
	return all
}

// owners maps the addresses of hosts, and their names, to them. An address that
// two hosts have, such as a container bridge's, belongs to none.
func owners(hosts []*inventory.Host) map[string]string {
	owner := map[string]string{}
	add := func(key, name string) {
		if other, ok := owner[key]; ok && other != name {
			name = ""
		}
		owner[key] = name
	}
	for _, h := range hosts {
		for _, a := range traits.Addresses(h) {
			if a != netip.IPv4Unspecified() {
				add(a.String(), h.Name)
			}
		}
		names := []string{h.Name, h.Network.Hostname, h.Network.FQDN}
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if name != "" && name != "localhost" {
				add(name, h.Name)
			}
		}
	}
	return owner
}

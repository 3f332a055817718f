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

// Link says which clients talk to one port of a server. All are captured hosts.
type Link struct {
	From     []string `json:"from"` // names of hosts, sorted
	To       string   `json:"to"`   // name of a host
	Protocol string   `json:"protocol"`
	Port     int      `json:"port"`
	What     string   `json:"what,omitempty"` // the server on the port: "mysql"
	// Connections is how many connections of all clients were seen at once. With 0
	// only the clients' settings name the server.
	Connections int `json:"connections"`
}

// String returns "web1, web2 → db1:3306 (mysql)".
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

// linksOf joins the connections that the hosts at both ends saw, and the upstreams
// that their servers are configured with.
func linksOf(hosts []*inventory.Host) []Link {
	owner := owners(hosts)
	clientsOf := map[endpoint]map[string]int{} // connections by client
	processes := map[endpoint]string{}
	add := func(from, to, protocol string, port, count int, process string) {
		if to == "" || to == from {
			return
		}
		e := endpoint{to, protocol, port}
		if clientsOf[e] == nil {
			clientsOf[e] = map[string]int{}
		}
		clientsOf[e][from] = max(clientsOf[e][from], count) // both ends saw the same ones
		processes[e] = max(processes[e], process)
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
	for e, clients := range clientsOf {
		l := Link{To: e.to, Protocol: e.protocol, Port: e.port, What: serverName(cmp.Or(listening[e], processes[e]), e.port)}
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

// upstreams returns the servers that a host's databases replicate from and that its
// web servers pass requests to.
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

// hostPort matches a host with or without a port, or a URL that begins so.
var hostPort = regexp.MustCompile(`^(?:(\w+)://)?(?:\[([0-9a-fA-F:]+)\]|([\w.-]+))(?::(\d+))?(?:/|$)`)

var schemePorts = map[string]int{"http": 80, "https": 443}

// addressIn returns the address that a setting names, if its port is known.
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

// listenersOf returns the names of the programs that listen on ports.
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

// owners maps the addresses and names of hosts to the hosts. An address that two
// hosts have, such as a container bridge's, maps to "".
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

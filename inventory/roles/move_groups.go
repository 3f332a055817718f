package roles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// MoveGroup is hosts that talk so much that they must move together.
type MoveGroup struct {
	Hosts   []string `json:"hosts"` // names, sorted
	Because []Link   `json:"because,omitempty"`
}

// LeftOut is a link that does not join its hosts, and why.
type LeftOut struct {
	Link
	Why string `json:"why"`
}

// MoveGroups joins hosts that talk to each other. Every host is in exactly one
// group; one that talks to no other is alone in its own.
func MoveGroups(hosts []*inventory.Host) []MoveGroup {
	groups, _ := Traffic(hosts)
	return groups
}

// Traffic is what MoveGroups says, and the links that it did not go by: those of
// what serves or watches the whole site, which would join everything.
func Traffic(hosts []*inventory.Host) ([]MoveGroup, []LeftOut) {
	s := newSite(hosts)
	var joining []Link
	var leftOut []LeftOut
	for _, l := range linksOf(hosts) {
		if why := s.everybodys(l); why != "" {
			leftOut = append(leftOut, LeftOut{l, why})
			continue
		}
		watched, rest := l, l
		watched.From, rest.From = nil, nil
		for _, from := range l.From {
			if s.watches[from] > 0 {
				watched.From = append(watched.From, from)
			} else {
				rest.From = append(rest.From, from)
			}
		}
		for _, from := range watched.From {
			one := l
			one.From, one.Connections = []string{from}, 0
			leftOut = append(leftOut, LeftOut{one, fmt.Sprintf("%s talks to %d of the %d other hosts: it watches or manages them", from, s.watches[from], len(hosts)-1)})
		}
		if len(rest.From) > 0 {
			joining = append(joining, rest)
		}
	}
	return join(hosts, joining), leftOut
}

// join makes groups of hosts that links connect.
func join(hosts []*inventory.Host, links []Link) []MoveGroup {
	first := map[string]string{} // host to the first of its group
	for _, h := range hosts {
		first[h.Name] = h.Name
	}
	for _, l := range links {
		for _, from := range l.From {
			a, b := min(first[from], first[l.To]), max(first[from], first[l.To])
			for name := range first {
				if first[name] == b {
					first[name] = a
				}
			}
		}
	}
	groups := map[string]*MoveGroup{}
	for name, f := range first {
		if groups[f] == nil {
			groups[f] = &MoveGroup{}
		}
		groups[f].Hosts = append(groups[f].Hosts, name)
	}
	for _, l := range links { // in order
		g := groups[first[l.To]]
		g.Because = append(g.Because, l)
	}
	all := make([]MoveGroup, 0, len(groups))
	for _, g := range groups {
		slices.Sort(g.Hosts)
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b MoveGroup) int {
		return cmp.Or(cmp.Compare(len(b.Hosts), len(a.Hosts)), cmp.Compare(a.Hosts[0], b.Hosts[0]))
	})
	return all
}

// site knows who talks to nearly everybody.
type site struct {
	hosts   int
	roles   int
	role    map[string]string // of a host
	watches map[string]int    // a host to how many others it talks to, of those that talk to nearly all
}

// A host that nearly all others talk to, or that talks to nearly all, whatever
// their role, serves or watches the site. In a small one that cannot be told.
const (
	nearlyEvery = 0.8
	fewest      = 4 // other hosts
)

func newSite(hosts []*inventory.Host) *site {
	s := &site{hosts: len(hosts), role: map[string]string{}, watches: map[string]int{}}
	roles := Of(hosts)
	s.roles = len(roles)
	for _, r := range roles {
		for _, h := range r.Hosts {
			s.role[h.Name] = r.Name
		}
	}
	servers := map[string][]string{} // of a client
	for _, l := range linksOf(hosts) {
		for _, from := range l.From {
			if !slices.Contains(servers[from], l.To) {
				servers[from] = append(servers[from], l.To)
			}
		}
	}
	for client, to := range servers {
		if s.nearlyAll(to) {
			s.watches[client] = len(to)
		}
	}
	return s
}

// nearlyAll reports whether names are nearly all other hosts, of nearly all other
// roles: a balancer talks to many hosts too, and to none of the databases.
func (s *site) nearlyAll(names []string) bool {
	of := map[string]bool{}
	for _, name := range names {
		of[s.role[name]] = true
	}
	return len(names) >= fewest && float64(len(names)) >= nearlyEvery*float64(s.hosts-1) &&
		len(of) > 1 && float64(len(of)) >= nearlyEvery*float64(s.roles-1)
}

// everybodys says why a link is one of the whole site; "": it is not.
func (s *site) everybodys(l Link) string {
	if what, ok := ofTheSite[l.Port]; ok {
		return what + ": a service of the whole site, which the new one has of its own or reaches over the network"
	}
	if !holdsData(l) && s.nearlyAll(l.From) {
		return fmt.Sprintf("%d of the %d other hosts talk to it, whatever they do", len(l.From), s.hosts-1)
	}
	return ""
}

// ofTheSite are ports of what watches, manages and equips hosts.
var ofTheSite = map[int]string{
	22: "ssh", 25: "smtp", 53: "dns", 67: "dhcp", 68: "dhcp", 88: "kerberos", 111: "rpcbind", 123: "ntp", 161: "snmp", 162: "snmp",
	323: "chrony", 389: "ldap", 464: "kerberos", 465: "smtp", 514: "syslog", 546: "dhcp", 547: "dhcp", 587: "smtp", 601: "syslog", 636: "ldap", 2003: "graphite", 3142: "apt-cacher",
	4505: "salt", 4506: "salt", 4949: "munin", 5044: "beats", 5666: "nrpe", 5667: "nsca", 6514: "syslog", 6556: "checkmk", 8125: "statsd", 8140: "puppet",
	8300: "consul", 8301: "consul", 8302: "consul", 8500: "consul", 8600: "consul", 9090: "prometheus", 9100: "node exporter", 9101: "bacula or an exporter", 9102: "bacula or an exporter", 9103: "bacula or an exporter",
	9104: "mysql exporter", 9113: "nginx exporter", 9121: "redis exporter", 9187: "postgres exporter", 9253: "php-fpm exporter", 10050: "zabbix", 10051: "zabbix", 24224: "fluentd", 24800: "fluentd",
}

// serverNames are what programs are known as.
var serverNames = map[string]string{
	"mysqld": "mysql", "mariadbd": "mysql", "postgres": "postgresql", "redis-server": "redis", "valkey-server": "valkey", "beam.smp": "rabbitmq",
}

// serverPorts are what usually stands at a port.
var serverPorts = map[int]string{
	80: "http", 443: "https", 873: "rsync", 2049: "nfs", 3306: "mysql", 4567: "galera", 5432: "postgresql", 5672: "amqp", 6379: "redis", 8080: "http", 9000: "php-fpm",
	9092: "kafka", 9200: "elasticsearch", 9300: "elasticsearch", 11211: "memcached", 11300: "beanstalkd", 26379: "redis sentinel", 27017: "mongodb", 33060: "mysql",
}

func serverName(process string, port int) string {
	name := cmp.Or(serverNames[process], process)
	if name == "" {
		name = cmp.Or(serverPorts[port], ofTheSite[port])
	}
	return strings.ToValidUTF8(name, "?")
}

// dataStores hold what a service lives on: that all hosts need one is no reason
// to leave it behind.
var dataStores = []string{
	"mysql", "postgresql", "redis", "valkey", "memcached", "mongod", "mongodb", "elasticsearch", "rabbitmq", "amqp", "kafka", "nfs", "galera", "beanstalkd", "redis sentinel", "haproxy", "proxysql", "pgbouncer",
}

func holdsData(l Link) bool {
	return slices.Contains(dataStores, l.What) || slices.Contains(dataStores, serverPorts[l.Port])
}

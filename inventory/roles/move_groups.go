package roles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// MoveGroup is a group of hosts that must move together because they talk to each
// other.
type MoveGroup struct {
	Hosts   []string `json:"hosts"` // names, sorted
	Because []Link   `json:"because,omitempty"`
}

// LeftOut is a link that does not join its hosts, and the reason.
type LeftOut struct {
	Link
	Why string `json:"why"`
}

// moveGroups joins hosts that talk to each other. Every host is in exactly one
// group; a host that talks to no other is alone in its group.
func moveGroups(hosts []*inventory.Host) []MoveGroup {
	groups, _ := traffic(hosts)
	return groups
}

// traffic returns the move groups and the links that do not join hosts: links of
// hosts that serve or watch the whole site, which would join everything.
func traffic(hosts []*inventory.Host) ([]MoveGroup, []LeftOut) {
	s := newSite(hosts)
	var joining []Link
	var leftOut []LeftOut
	for _, l := range linksOf(hosts) {
		if why := s.siteWideReason(l); why != "" {
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
			single := l
			single.From, single.Connections = []string{from}, 0
			leftOut = append(leftOut, LeftOut{single, fmt.Sprintf("%s talks to %d of the %d other hosts: it watches or manages them", from, s.watches[from], len(hosts)-1)})
		}
		if len(rest.From) > 0 {
			joining = append(joining, rest)
		}
	}
	return joinGroups(hosts, joining), leftOut
}

// joinGroups groups the hosts that links connect.
func joinGroups(hosts []*inventory.Host, links []Link) []MoveGroup {
	leader := map[string]string{} // host to the first host of its group
	for _, h := range hosts {
		leader[h.Name] = h.Name
	}
	for _, l := range links {
		for _, from := range l.From {
			a, b := min(leader[from], leader[l.To]), max(leader[from], leader[l.To])
			for name := range leader {
				if leader[name] == b {
					leader[name] = a
				}
			}
		}
	}
	groups := map[string]*MoveGroup{}
	for name, f := range leader {
		if groups[f] == nil {
			groups[f] = &MoveGroup{}
		}
		groups[f].Hosts = append(groups[f].Hosts, name)
	}
	for _, l := range links {
		g := groups[leader[l.To]]
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

// site holds the roles of a site and the hosts that talk to nearly all others.
type site struct {
	hosts   int
	roles   int
	role    map[string]string // host to its role
	watches map[string]int    // host that talks to nearly all others to the number of those
}

// A host that talks to nearly all others, or to which nearly all others talk,
// whatever their role, watches or serves the whole site. A small site does not show
// the difference.
const (
	nearlyAllShare = 0.8
	minPeers       = 4 // other hosts
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
	servers := map[string][]string{} // client to its servers
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

// nearlyAll reports whether names are nearly all other hosts, and of nearly all
// other roles: a load balancer talks to many hosts too, but not to the databases.
func (s *site) nearlyAll(names []string) bool {
	rolesOfNames := map[string]bool{}
	for _, name := range names {
		rolesOfNames[s.role[name]] = true
	}
	return len(names) >= minPeers && float64(len(names)) >= nearlyAllShare*float64(s.hosts-1) &&
		len(rolesOfNames) > 1 && float64(len(rolesOfNames)) >= nearlyAllShare*float64(s.roles-1)
}

// siteWideReason returns why a link serves the whole site; "" if it does not.
func (s *site) siteWideReason(l Link) string {
	if what, ok := infrastructurePorts[l.Port]; ok {
		return what + ": a service of the whole site, which the new one has of its own or reaches over the network"
	}
	if !holdsData(l) && s.nearlyAll(l.From) {
		return fmt.Sprintf("%d of the %d other hosts talk to it, whatever they do", len(l.From), s.hosts-1)
	}
	return ""
}

// infrastructurePorts are the ports of services that watch, manage and supply the
// hosts of a site.
var infrastructurePorts = map[int]string{
	22: "ssh", 25: "smtp", 53: "dns", 67: "dhcp", 68: "dhcp", 88: "kerberos", 111: "rpcbind", 123: "ntp", 161: "snmp", 162: "snmp",
	323: "chrony", 389: "ldap", 464: "kerberos", 465: "smtp", 514: "syslog", 546: "dhcp", 547: "dhcp", 587: "smtp", 601: "syslog", 636: "ldap", 2003: "graphite", 3142: "apt-cacher",
	4505: "salt", 4506: "salt", 4949: "munin", 5044: "beats", 5666: "nrpe", 5667: "nsca", 6514: "syslog", 6556: "checkmk", 8125: "statsd", 8140: "puppet",
	8300: "consul", 8301: "consul", 8302: "consul", 8500: "consul", 8600: "consul", 9090: "prometheus", 9100: "node exporter", 9101: "bacula or an exporter", 9102: "bacula or an exporter", 9103: "bacula or an exporter",
	9104: "mysql exporter", 9113: "nginx exporter", 9121: "redis exporter", 9187: "postgres exporter", 9253: "php-fpm exporter", 10050: "zabbix", 10051: "zabbix", 24224: "fluentd", 24800: "fluentd",
}

// serverNames are the usual names of servers, by program.
var serverNames = map[string]string{
	"mysqld": "mysql", "mariadbd": "mysql", "postgres": "postgresql", "redis-server": "redis", "valkey-server": "valkey", "beam.smp": "rabbitmq",
}

// serverPorts are the servers that usually listen on a port.
var serverPorts = map[int]string{
	80: "http", 443: "https", 873: "rsync", 2049: "nfs", 3306: "mysql", 4567: "galera", 5432: "postgresql", 5672: "amqp", 6379: "redis", 8080: "http", 9000: "php-fpm",
	9092: "kafka", 9200: "elasticsearch", 9300: "elasticsearch", 11211: "memcached", 11300: "beanstalkd", 26379: "redis sentinel", 27017: "mongodb", 33060: "mysql",
}

func serverName(process string, port int) string {
	name := cmp.Or(serverNames[process], process)
	if name == "" {
		name = cmp.Or(serverPorts[port], infrastructurePorts[port])
	}
	return strings.ToValidUTF8(name, "?")
}

// dataStores hold the data of a service. Even if all hosts use one, it must move
// with them.
var dataStores = []string{
	"mysql", "postgresql", "redis", "valkey", "memcached", "mongod", "mongodb", "elasticsearch", "rabbitmq", "amqp", "kafka", "nfs", "galera", "beanstalkd", "redis sentinel", "haproxy", "proxysql", "pgbouncer",
}

func holdsData(l Link) bool {
	return slices.Contains(dataStores, l.What) || slices.Contains(dataStores, serverPorts[l.Port])
}

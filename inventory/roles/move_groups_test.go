package roles

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

func reasonsOf(g MoveGroup) string {
	var text []string
	for _, l := range g.Because {
		text = append(text, l.String())
	}
	return strings.Join(text, "; ")
}

func without(all []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(names, n) })
}

// Services that do not talk to each other form groups of their own. Monitoring, a
// resolver, a log server and an agent, which talk to every host, join none.
func TestMoveGroups(t *testing.T) {
	m := &siteBuilder{}
	hosts := append(twentyHosts(true), m.monitor("mon1", "monitoring"), m.host("log1", "log"))
	at := byName(hosts)
	at["mon1"].Network.Interfaces[0].Addresses[0], at["log1"].Network.Interfaces[0].Addresses[0] = "10.9.0.1/16", "10.9.0.2/16"
	every := sortedNames(at)
	connectTo(at, "db1", 3306, "web1", "web2", "web3")
	connectTo(at, "cache1", 6379, "web1", "web2", "web3")
	connectTo(at, "db2", 3306, "web4", "queue1")
	for _, name := range without(every, "mon1") {
		connectTo(at, name, 9999, "mon1") // the site's own agent
		connectTo(at, name, 10050, "mon1")
		connectTo(at, name, 9100, "mon1")
	}
	connectTo(at, "log1", 1514, without(every, "log1")...) // not a well-known port
	connectTo(at, "log1", 53, without(every, "log1")...)
	groups, leftOut := traffic(hosts)
	require.Equal(t, []string{"cache1", "db1", "web1", "web2", "web3"}, groups[0].Hosts)
	require.Equal(t, "web1, web2, web3 → cache1:6379 (redis); web1, web2, web3 → db1:3306 (mysql)", reasonsOf(groups[0]))
	require.Equal(t, 6, groups[0].Because[1].Connections)
	require.Equal(t, []string{"db2", "queue1", "web4"}, groups[1].Hosts)
	require.Len(t, groups, 2+22-8, "the others move alone")
	why := map[string]string{}
	for _, l := range leftOut {
		why[l.String()] = l.Why
	}
	require.Contains(t, why["mon1 → db1:10050 (zabbix)"], "zabbix: a service of the whole site")
	require.Contains(t, why["mon1 → db1:9100 (node exporter)"], "node exporter")
	require.Contains(t, why["mon1 → db1:9999 (house-agent)"], "mon1 talks to 21 of the 21 other hosts")
	require.Contains(t, why[strings.Join(without(every, "log1"), ", ")+" → log1:1514"], "21 of the 21 other hosts talk to it")
}

// A database that all hosts use is data to move, not a service of the site.
func TestDatabaseOfAllHostsJoinsThem(t *testing.T) {
	hosts := twentyHosts(true)
	at := byName(hosts)
	connectTo(at, "db1", 3306, without(sortedNames(at), "db1")...)
	require.Len(t, moveGroups(hosts), 1)
}

// A load balancer moves with its servers although they are nearly all hosts.
func TestBalancerMovesWithItsServers(t *testing.T) {
	m := &siteBuilder{}
	hosts := []*inventory.Host{m.host("lb1", "balancer"), m.db("db1", "db"), m.cache("cache1", "cache")}
	var servers []string
	for _, name := range []string{"web1", "web2", "web3", "web4", "web5", "web6", "app1", "app2", "app3"} {
		hosts = append(hosts, m.web(name, name[:3]))
		servers = append(servers, name)
	}
	at := byName(hosts)
	for _, name := range servers {
		connectTo(at, name, 8081, "lb1")
	}
	groups, leftOut := traffic(hosts)
	require.Empty(t, leftOut)
	require.Len(t, groups[0].Hosts, 10)
}

func TestSmallSites(t *testing.T) {
	m := &siteBuilder{}
	hosts := []*inventory.Host{m.web("web1"), m.web("web2"), m.db("db1")}
	at := byName(hosts)
	connectTo(at, "db1", 3306, "web1", "web2")
	groups := moveGroups(hosts)
	require.Len(t, groups, 1)
	require.Equal(t, "web1, web2 → db1:3306 (mysql)", reasonsOf(groups[0]))
	require.Empty(t, moveGroups(nil))
	require.Equal(t, []MoveGroup{{Hosts: []string{"alone"}}}, moveGroups([]*inventory.Host{{Name: "alone"}}))
}

// Settings that name a server by address or name join hosts even if no connection
// was seen.
func TestSettingsJoinHosts(t *testing.T) {
	m := &siteBuilder{}
	hosts := []*inventory.Host{m.db("db1"), m.db("db2"), m.cache("cache1"), m.cache("cache2")}
	hosts[1].MySQL.Replicas = []inventory.Upstream{{Host: addressOf(hosts[0]), Port: 3306}}
	hosts[3].Redis[0].Upstream = "cache1.example.com:6379"
	front, app := m.web("front"), m.host("app1")
	front.VirtualHosts[0].Proxies = []string{"http://app1:8080/x", "unix:/run/php.sock", "127.0.0.1:9000", "elsewhere"}
	groups := moveGroups(append(hosts, front, app))
	require.Len(t, groups, 3)
	require.Equal(t, "front → app1:8080 (http)", reasonsOf(groups[0]))
	require.Equal(t, "cache2 → cache1:6379 (redis)", reasonsOf(groups[1]))
	require.Equal(t, "db2 → db1:3306 (mysql)", reasonsOf(groups[2]))
	require.Zero(t, groups[2].Because[0].Connections)
}

func TestAddressesInSettings(t *testing.T) {
	for text, want := range map[string][]upstream{
		"http://10.0.0.1": {{"10.0.0.1", 80}}, "https://a.example.com/x:1": {{"a.example.com", 443}}, "10.0.0.1:6379": {{"10.0.0.1", 6379}}, "http://[fd00::1]:81/": {{"fd00::1", 81}},
		"unix:/run/x": nil, "name": nil, "": nil, "http://$upstream": nil, "a:99999999999999999999": nil,
	} {
		require.Equal(t, want, addressIn(text), text)
	}
}

// An address that two hosts have, like that of a container bridge, identifies
// neither.
func TestSharedAddressJoinsNothing(t *testing.T) {
	m := &siteBuilder{}
	hosts := []*inventory.Host{m.web("a"), m.web("b"), m.web("c")}
	for _, h := range hosts {
		h.Network.Interfaces = append(h.Network.Interfaces, inventory.Interface{Name: "docker0", Addresses: []string{"172.17.0.1/16"}})
	}
	hosts[0].Connections = []inventory.Connection{{Direction: inventory.Out, Protocol: "tcp", Peer: "172.17.0.1", Port: 80}, {Direction: inventory.Out, Protocol: "tcp", Peer: "198.51.100.1", Port: 443}}
	require.Len(t, moveGroups(hosts), 3)
}

// A setting names one address with a port, or none.
func FuzzAddressIn(f *testing.F) {
	f.Add("http://10.0.0.1:8080/x")
	f.Add("http://[fd00::1]:81/")
	f.Fuzz(func(t *testing.T, text string) {
		for _, u := range addressIn(text) {
			require.NotEmpty(t, u.host)
			require.Positive(t, u.port)
			require.Contains(t, text, u.host)
		}
	})
}

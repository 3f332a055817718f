package roles

import (
	"fmt"
	"maps"
	"slices"

	"github.com/dcmigrate/migrate/inventory"
)

// siteBuilder makes hosts with different addresses. Each runs the base programs.
type siteBuilder struct{ next int }

func (m *siteBuilder) address() string {
	m.next++
	return fmt.Sprintf("10.0.%d.%d", m.next/250, m.next%250+1)
}

// host makes a host that runs only the base programs.
func (m *siteBuilder) host(name string, configRoles ...string) *inventory.Host {
	address := m.address()
	h := &inventory.Host{
		Name: name, Roles: configRoles,
		OS: inventory.OS{ID: "debian", Release: "12"},
		Network: inventory.Network{
			Hostname: name, FQDN: name + ".example.com",
			Interfaces: []inventory.Interface{{Name: "eth0", Addresses: []string{address + "/16"}}},
		},
		Users: []inventory.Account{{Name: "root", Shell: "/bin/bash"}},
		Configuration: []inventory.File{
			{Path: "/etc/motd.local", Kind: "file", Mode: "0644", SHA256: "the same"},
		},
	}
	for _, name := range []string{"ssh", "cron", "rsyslog", "chrony", "systemd-journald", "house-agent"} {
		addServer(h, name, name, 0)
	}
	for _, name := range []string{"sudo", "vim", "curl", "rsync", "htop"} {
		h.Packages = append(h.Packages, inventory.Package{Name: name, Version: "1.0.0-1", Manual: true})
	}
	h.Listeners = append(h.Listeners, inventory.Listener{Protocol: "tcp", Address: "0.0.0.0", Port: 22, Process: "sshd"}, inventory.Listener{Protocol: "tcp", Address: address, Port: 9999, Process: "house-agent"})
	return h
}

// addServer adds a package and its service, which listens on a port unless that is 0.
func addServer(h *inventory.Host, pkg, process string, port int) {
	h.Packages = append(h.Packages, inventory.Package{Name: pkg, Version: "1.0.0-1", Manual: true})
	h.Services = append(h.Services, inventory.Service{Unit: pkg + ".service", Enabled: "enabled", Active: "active", Package: pkg})
	if port > 0 {
		h.Listeners = append(h.Listeners, inventory.Listener{Protocol: "tcp", Address: "0.0.0.0", Port: port, Process: process, Package: pkg})
	}
}

func (m *siteBuilder) web(name string, configRoles ...string) *inventory.Host {
	h := m.host(name, configRoles...)
	addServer(h, "nginx", "nginx", 80)
	addServer(h, "php8.2-fpm", "php-fpm8.2", 0)
	h.VirtualHosts = []inventory.VirtualHost{{Server: "nginx", File: "/etc/nginx/sites-enabled/blog", Names: []string{"blog.example.com"}, Listen: []string{"80"}}}
	h.Releases = []inventory.Release{{Path: "/srv/blog", Kind: "git", Version: "abc"}}
	return h
}

func (m *siteBuilder) db(name string, configRoles ...string) *inventory.Host {
	h := m.host(name, configRoles...)
	addServer(h, "mariadb-server", "mariadbd", 3306)
	h.MySQL = &inventory.MySQL{Version: "10.11.6", Variables: map[string]string{"sql_mode": "STRICT", "server_id": name}}
	return h
}

func (m *siteBuilder) cache(name string, configRoles ...string) *inventory.Host {
	h := m.host(name, configRoles...)
	addServer(h, "redis-server", "redis-server", 6379)
	h.Redis = []inventory.Redis{{Address: "0.0.0.0:6379", Version: "7.0.15", Role: "master"}}
	return h
}

func (m *siteBuilder) queue(name string, configRoles ...string) *inventory.Host {
	h := m.host(name, configRoles...)
	addServer(h, "rabbitmq-server", "beam.smp", 5672)
	addServer(h, "worker", "python3", 0)
	return h
}

func (m *siteBuilder) monitor(name string, configRoles ...string) *inventory.Host {
	h := m.host(name, configRoles...)
	addServer(h, "prometheus", "prometheus", 9090)
	addServer(h, "grafana-server", "grafana", 3000)
	return h
}

// twentyHosts makes a site of 20 hosts of 4 roles, some of them odd. With called,
// the config has the roles.
func twentyHosts(called bool) []*inventory.Host {
	m := &siteBuilder{}
	var all []*inventory.Host
	add := func(n int, name string, make func(name string, configRoles ...string) *inventory.Host) {
		for i := range n {
			var roles []string
			if called {
				roles = []string{name}
			}
			all = append(all, make(fmt.Sprint(name, i+1), roles...))
		}
	}
	add(9, "web", m.web)
	add(5, "db", m.db)
	add(3, "cache", m.cache)
	add(3, "queue", m.queue)
	odd := byName(all)
	addServer(odd["web3"], "memcached", "memcached", 11211)                                                                  // one has more
	odd["web4"].Services = odd["web4"].Services[:len(odd["web4"].Services)-1]                                                // one has less
	odd["web5"].Packages[3].Version = "2.0.0-1"                                                                              // one has another version
	odd["db2"].CronJobs = []inventory.CronJob{{File: "/etc/cron.d/dump", User: "root", Schedule: "@daily", Command: "dump"}} // one does more
	odd["db3"].MySQL.Variables["sql_mode"] = ""                                                                              // one is set otherwise
	odd["cache2"].Configuration[0].SHA256 = "another"                                                                        // one was edited
	for _, name := range []string{"gdb", "strace", "tmux", "emacs-nox"} {                                                    // one is somebody's toy
		odd["queue2"].Packages = append(odd["queue2"].Packages, inventory.Package{Name: name, Manual: true})
	}
	for i, h := range all { // no two have the same packages
		h.Packages = append(h.Packages, inventory.Package{Name: fmt.Sprint("tool-", string(rune('a'+i))), Version: "1", Manual: i%3 == 0})
		h.Disks = []inventory.Disk{{Mount: "/", Size: 100 << 30, Used: int64(i) << 30}}
	}
	return all
}

func byName(hosts []*inventory.Host) map[string]*inventory.Host {
	all := map[string]*inventory.Host{}
	for _, h := range hosts {
		all[h.Name] = h
	}
	return all
}

func addressOf(h *inventory.Host) string {
	prefix := h.Network.Interfaces[0].Addresses[0]
	return prefix[:len(prefix)-len("/16")]
}

// connectTo adds connections of clients to a port of a server. Every other one is
// seen by the server, the rest by the clients.
func connectTo(hosts map[string]*inventory.Host, server string, port int, clients ...string) {
	for i, name := range clients {
		if i%2 == 0 {
			hosts[server].Connections = append(hosts[server].Connections, inventory.Connection{Direction: inventory.In, Protocol: "tcp", Peer: addressOf(hosts[name]), Port: port, Count: 2})
			continue
		}
		hosts[name].Connections = append(hosts[name].Connections, inventory.Connection{Direction: inventory.Out, Protocol: "tcp", Peer: addressOf(hosts[server]), Port: port, Count: 2})
	}
}

func hostsByRole(roles []Role) map[string][]string {
	all := map[string][]string{}
	for _, r := range roles {
		for _, h := range r.Hosts {
			all[r.Name] = append(all[r.Name], h.Name)
		}
	}
	return all
}

func sortedNames(hosts map[string]*inventory.Host) []string { return slices.Sorted(maps.Keys(hosts)) }

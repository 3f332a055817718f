package page

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/findings"
)

// hostile is a name that no host has, but that a name may contain.
const hostile = `</script><script>document.title='taken'</script><img src=x onerror="document.title='taken'">'` + "\"\u202egpj.exe\x1b[31m\n\xff&amp;{{.}}"

// syntheticSite returns a site of n hosts: one in ten is a database, two are caches,
// one watches all others, the rest are web and application servers.
func syntheticSite(n int) Site {
	s := Site{Name: "blog", Addresses: map[string][]netip.Addr{}}
	for i := range n {
		s.Hosts = append(s.Hosts, syntheticHost(i, n))
	}
	addConnections(s.Hosts)
	s.Hosts[n-2].Packages = append(s.Hosts[n-2].Packages, inventory.Package{Name: "stray", Version: "1", Architecture: "amd64", Manual: true})
	slices.SortFunc(s.Hosts, func(a, b *inventory.Host) int { return strings.Compare(a.Name, b.Name) })
	for i, h := range s.Hosts {
		s.Findings = append(s.Findings, findings.Finding{Host: h.Name, Kind: findings.KindListener, Where: "tcp 0.0.0.0:9100", Text: "node_exporter listens to the world"})
		if i%3 == 0 {
			s.Findings = append(s.Findings, findings.Finding{Host: h.Name, Kind: findings.KindAddress, Where: "/etc/app/settings.ini:12", Text: "10.0.0.1 of db01: host = 10.0.0.1"})
		}
	}
	return s
}

func syntheticRole(i, n int) (role string, number, port int) {
	dbs := max(n/10, 1)
	caches := min(2, n/10)
	rest := n - dbs - caches - min(1, n/10)
	switch {
	case i < dbs:
		return "db", i + 1, 3306
	case i < dbs+caches:
		return "cache", i - dbs + 1, 6379
	case i >= dbs+caches+rest:
		return "monitor", 1, 9090
	case (i-dbs-caches)*3 < rest:
		return "web", i - dbs - caches + 1, 443
	default:
		return "app", i - dbs - caches - (rest+2)/3 + 1, 8080
	}
}

func syntheticHost(i, n int) *inventory.Host {
	role, number, port := syntheticRole(i, n)
	process := map[string]string{"db": "mariadbd", "cache": "redis-server", "web": "nginx", "app": "puma", "monitor": "prometheus"}[role]
	h := &inventory.Host{
		Version: inventory.Version, Name: fmt.Sprintf("%s%02d", role, number), Roles: []string{role}, As: "root",
		CapturedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		OS:         inventory.OS{ID: "debian", Release: "12", Codename: "bookworm", Name: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0-18-amd64", Architecture: "x86_64"},
		CPU:        inventory.CPU{Count: 4, Model: "Xeon"}, Memory: inventory.Memory{Total: 16 << 30},
		Disks:    []inventory.Disk{{Mount: "/", Device: "/dev/sda1", FS: "ext4", Size: 200 << 30, Used: 120 << 30}},
		Coverage: inventory.Coverage{Total: 50, Explained: 50 - i%3},
		Network:  inventory.Network{Hostname: fmt.Sprintf("%s%02d", role, number), Interfaces: []inventory.Interface{{Name: "eth0", Kind: "ether", Up: true, Addresses: []string{addressOf(i) + "/16"}}}},
	}
	for p := range 600 {
		h.Packages = append(h.Packages, inventory.Package{Name: fmt.Sprintf("%s-library%03d", role[:1+p%2], p), Version: fmt.Sprintf("1.%d.%d-1+deb12u%d", p%7, p%13, p%5), Architecture: "amd64", Manual: p%20 == 0})
	}
	h.Packages = append(h.Packages, inventory.Package{Name: process, Version: "1.2.3", Architecture: "amd64", Manual: true})
	for s := range 80 {
		h.Services = append(h.Services, inventory.Service{Unit: fmt.Sprintf("%s-%02d.service", process, s), Enabled: "enabled", Active: "active", Package: process})
	}
	h.Listeners = []inventory.Listener{
		{Protocol: "tcp", Address: "0.0.0.0", Port: port, Process: process, Package: process, Unit: process + ".service", Cause: inventory.Cause{Kind: inventory.ByPackage, Name: process}},
		{Protocol: "tcp", Address: "0.0.0.0", Port: 9100, Process: "node_exporter", Cause: inventory.Cause{}},
	}
	for f := range 120 {
		h.Configuration = append(h.Configuration, inventory.File{Path: inventory.Text(fmt.Sprintf("/etc/%s/conf.d/%03d.conf", process, f)), Kind: "file", Mode: "0644", Owner: "root", Group: "root", Size: 1000, SHA256: strings.Repeat(fmt.Sprintf("%02x", f), 32)})
	}
	h.Users = []inventory.Account{{Name: "root", Home: "/root", Shell: "/bin/bash"}, {Name: "deploy", UID: 1000, GID: 1000, Home: "/home/deploy", Shell: "/bin/bash", Groups: []string{"sudo"}}}
	h.CronJobs = []inventory.CronJob{{File: "/etc/cron.d/backup", Line: 3, User: "root", Schedule: "0 3 * * *", Command: "/usr/local/bin/backup --token migrate-secret-0123456789abcdef"}}
	return h
}

func addressOf(i int) string { return fmt.Sprintf("10.0.%d.%d", i/200, i%200+1) }

// addConnections makes each host a client of the layer below its own.
func addConnections(hosts []*inventory.Host) {
	below := map[string][]string{"web": {"app"}, "app": {"db", "cache"}, "monitor": {"db", "cache", "web", "app"}}
	for i, h := range hosts {
		for j, server := range hosts {
			if i == j || !slices.Contains(below[h.Roles[0]], server.Roles[0]) || h.Roles[0] == "web" && (i+j)%3 != 0 {
				continue
			}
			port, count := server.Listeners[0].Port, 1+(i*7+j*3)%20
			if h.Roles[0] == "monitor" {
				port, count = 9100, 1
			}
			h.Connections = append(h.Connections, inventory.Connection{Direction: inventory.Out, Protocol: "tcp", Peer: addressOf(j), Port: port, Process: h.Listeners[0].Process, Count: count})
			server.Connections = append(server.Connections, inventory.Connection{Direction: inventory.In, Protocol: "tcp", Peer: addressOf(i), Port: port, Process: processOn(server, port), Count: count})
		}
		switch h.Roles[0] {
		case "web":
			for c := range 20 {
				h.Connections = append(h.Connections, inventory.Connection{Direction: inventory.In, Protocol: "tcp", Peer: fmt.Sprintf("198.51.100.%d", (i*31+c*7)%250), Port: 443, Process: "nginx", Count: 1})
			}
		case "app":
			h.Connections = append(h.Connections, inventory.Connection{Direction: inventory.Out, Protocol: "tcp", Peer: "203.0.113.25", Port: 587, Process: "puma", Count: 1})
		case "db":
			if h.Name != "db01" {
				h.Connections = append(h.Connections, inventory.Connection{Direction: inventory.Out, Protocol: "tcp", Peer: addressOf(0), Port: 3306, Process: "mariadbd", Count: 1})
			}
		}
	}
}

func processOn(h *inventory.Host, port int) string {
	for _, l := range h.Listeners {
		if l.Port == port {
			return l.Process
		}
	}
	return ""
}

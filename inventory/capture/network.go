package capture

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// network reads names, addresses, routes and the resolver.
func (p *parser) network() {
	p.parse("hostname", func(text string) error {
		l := lines(text)
		if len(l) == 0 {
			return errors.New("no host name")
		}
		p.host.Network.Hostname = l[0]
		return nil
	})
	p.parse("addresses", p.addresses)
	p.parse("routes", func(text string) error {
		for _, line := range lines(text) {
			p.host.Network.Routes = append(p.host.Network.Routes, withoutWords(line, "expires", "hoplimit"))
		}
		slices.Sort(p.host.Network.Routes)
		return nil
	})
	p.parse("resolver", func(text string) error {
		r := &p.host.Network.Resolver
		for _, line := range lines(text) {
			f := strings.Fields(line)
			switch {
			case len(f) < 2:
			case f[0] == "nameserver":
				r.Servers = append(r.Servers, f[1])
			case f[0] == "search" || f[0] == "domain":
				r.Search = f[1:]
			case f[0] == "options":
				r.Options = append(r.Options, f[1:]...)
			}
		}
		return nil
	})
}

// withoutWords removes the given words and the value behind each. Such values
// change by themselves.
func withoutWords(line string, drop ...string) string {
	f := strings.Fields(line)
	var kept []string
	for i := 0; i < len(f); i++ {
		if slices.Contains(drop, f[i]) {
			i++
			continue
		}
		kept = append(kept, f[i])
	}
	return strings.Join(kept, " ")
}

var linkLine = regexp.MustCompile(`^\d+: ([^:@]+)(?:@\S+)?: <([^>]*)>.* mtu (\d+) .*link/(\S+)(?: ([0-9a-f:]+))?`)

// addresses reads ip -o link and, after an empty line, ip -o addr.
func (p *parser) addresses(text string) error {
	links, addresses, _ := strings.Cut(text, "\n\n")
	byName := map[string]*inventory.Interface{}
	for _, line := range lines(links) {
		m := linkLine.FindStringSubmatch(line)
		if m == nil {
			return fmt.Errorf("%.60q is no interface", line)
		}
		mtu, err := strconv.Atoi(m[3])
		if err != nil {
			return fmt.Errorf("read mtu of %s: %w", m[1], err)
		}
		i := &inventory.Interface{Name: m[1], Kind: m[4], MTU: mtu, Up: slices.Contains(strings.Split(m[2], ","), "UP")}
		if i.Kind == "ether" {
			i.MAC = m[5]
		}
		byName[i.Name] = i
	}
	for _, line := range lines(addresses) {
		f := strings.Fields(line)
		if len(f) < 4 || f[2] != "inet" && f[2] != "inet6" {
			continue
		}
		if i := byName[strings.TrimSuffix(f[1], ":")]; i != nil {
			i.Addresses = append(i.Addresses, f[3])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		slices.Sort(byName[name].Addresses)
		p.host.Network.Interfaces = append(p.host.Network.Interfaces, *byName[name])
	}
	return nil
}

// hosts reads hosts(5).
func (p *parser) hosts(text string) {
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) >= 2 {
			p.host.Network.Hosts = append(p.host.Network.Hosts, inventory.HostsLine{Line: i + 1, Address: f[0], Names: f[1:]})
			if n := &p.host.Network; slices.Contains(f[1:], n.Hostname) && strings.HasPrefix(f[1], n.Hostname+".") {
				n.FQDN = f[1] // as the host resolves it, without DNS
			}
		}
	}
}

var ruleCounters = regexp.MustCompile(`\s*\[\d+:\d+\]|counter packets \d+ bytes \d+`)

// firewall reads the rules as each tool prints them, without counters.
func (p *parser) firewall() {
	for _, tool := range []struct{ section, name string }{
		{"nftables", "nftables"}, {"iptables", "iptables"}, {"ip6tables", "ip6tables"}, {"ufw", "ufw"}, {"firewalld", "firewalld"},
	} {
		p.parse(tool.section, func(text string) error {
			var rules []string
			for _, line := range lines(text) {
				if strings.HasPrefix(line, "#") { // the comments of iptables-save contain the time
					continue
				}
				rules = append(rules, strings.TrimRight(ruleCounters.ReplaceAllString(line, ""), " "))
			}
			if len(rules) > 0 && (tool.name != "iptables" && tool.name != "ip6tables" || hasRules(rules)) {
				p.host.Firewall = append(p.host.Firewall, inventory.RuleSet{Tool: tool.name, Rules: rules})
			}
			return nil
		})
	}
}

// hasRules reports whether the output of iptables-save has a rule, or a chain that
// drops by default.
func hasRules(rules []string) bool {
	return slices.ContainsFunc(rules, func(r string) bool {
		return strings.HasPrefix(r, "-A") || strings.HasPrefix(r, ":") && strings.HasSuffix(r, " DROP")
	})
}

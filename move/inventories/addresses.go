package inventories

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/diff"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/move/wiring"
)

// addressBook knows the addresses of both sites: the old ones by the
// configuration and the inventory, the new ones by the list of new hosts.
type addressBook struct{ site *wiring.Site }

// addTo adds what the configuration and the list of new hosts know: the old
// addresses to one side, the new ones to the other.
func (b addressBook) addTo(old, now map[string][]netip.Addr) {
	for _, h := range b.site.Config.Hosts {
		if h.Address.IsValid() && !h.Address.IsLoopback() {
			old[h.Name] = append(old[h.Name], h.Address.Addr)
		}
	}
	for _, machine := range b.site.Directory.Hosts() {
		for _, a := range []netip.Addr{machine.Public, machine.Private} {
			if a.IsValid() {
				now[machine.Name] = append(now[machine.Name], a)
			}
		}
	}
}

// known returns, by host, the old addresses of hosts whose clone exists. Addresses of
// other hosts, and those that need not move with the host (bridges, tunnels, other
// networks), go to the options' Unknown. An address that two hosts have belongs to
// neither.
func (b addressBook) known(hosts []*inventory.Host, o *export.Options) map[string][]string {
	old := diff.PeersOf(hosts)
	b.addTo(old, map[string][]netip.Addr{})
	own := map[string][]netip.Addr{}
	b.addTo(own, map[string][]netip.Addr{})
	for _, h := range hosts {
		own[h.Name] = append(own[h.Name], publicAddresses(&h.Network)...)
	}
	owners := map[netip.Addr][]string{}
	for host, addresses := range old {
		for _, a := range addresses {
			if a = a.Unmap(); !a.IsLoopback() && !a.IsLinkLocalUnicast() && !slices.Contains(owners[a], host) {
				owners[a] = append(owners[a], host)
			}
		}
	}
	known := map[string][]string{}
	for a, of := range owners {
		if len(of) != 1 {
			continue
		}
		if machine, err := b.site.Directory.Lookup(of[0]); err == nil && machine.Public.IsValid() && a.Is4() && slices.Contains(own[of[0]], a) {
			known[of[0]] = append(known[of[0]], a.String())
		} else {
			o.Unknown = append(o.Unknown, a.String())
		}
	}
	slices.Sort(o.Unknown)
	return known
}

// publicAddresses are the IPv4 addresses of the interface of the default route. An
// address with a prefix of full length is left out where there are others: it may
// be a virtual address, which moves from host to host.
func publicAddresses(n *inventory.Network) []netip.Addr {
	var all, single []netip.Addr
	for _, i := range n.Interfaces {
		if !slices.ContainsFunc(n.Routes, func(r string) bool {
			words := strings.Fields(r)
			at := slices.Index(words, "dev")
			return at > 0 && words[0] == "default" && at+1 < len(words) && words[at+1] == i.Name
		}) {
			continue
		}
		for _, text := range i.Addresses {
			if p, err := netip.ParsePrefix(text); err == nil && p.Addr().Is4() && p.IsSingleIP() {
				single = append(single, p.Addr())
			} else if err == nil && p.Addr().Is4() {
				all = append(all, p.Addr())
			}
		}
	}
	if len(all) == 0 && len(single) == 1 {
		return single
	}
	return all
}

// forHost maps old addresses to those that a host must use: private addresses, but
// its own public one if it serves the public.
func (b addressBook) forHost(host string, known map[string][]string) map[string]string {
	to := map[string]string{}
	for name, olds := range known {
		machine, err := b.site.Directory.Lookup(name)
		if err != nil {
			continue // removed since known was called
		}
		a := machine.Private
		if !a.IsValid() || name == host && b.servesThePublic(name) {
			a = machine.Public
		}
		for _, old := range olds {
			to[old] = a.String()
		}
	}
	return to
}

func (b addressBook) servesThePublic(name string) bool {
	h, _ := b.site.Config.Host(name)
	return slices.ContainsFunc(h.Roles, func(r string) bool { return len(b.site.Config.Provision.DigitalOcean.PublicPorts[r]) > 0 })
}

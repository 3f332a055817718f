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
	for _, machine := range b.site.Directory.Machines() {
		for _, a := range []netip.Addr{machine.Public, machine.Private} {
			if a.IsValid() {
				now[machine.Name] = append(now[machine.Name], a)
			}
		}
	}
}

// known finds the old addresses of hosts whose clone is made, by host;
// those of the others go to the options' Unknown, and so do addresses that need
// not move with the host: of bridges, tunnels, other networks. An address that
// two hosts have is nobody's.
func (b addressBook) known(hosts []*inventory.Host, o *export.Options) map[string][]string {
	old := diff.PeersOf(hosts)
	b.addTo(old, map[string][]netip.Addr{})
	own := map[string][]netip.Addr{}
	b.addTo(own, map[string][]netip.Addr{})
	for _, h := range hosts {
		own[h.Name] = append(own[h.Name], towardsTheWorld(&h.Network)...)
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

// towardsTheWorld are the IPv4 addresses of the interface of the default route.
// One that is a network of its own beside others is left out: it may be a
// virtual one, which goes from host to host.
func towardsTheWorld(n *inventory.Network) []netip.Addr {
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

// forHost maps old addresses to what a host must use: the private address
// of another host, and of itself unless it serves the world.
func (b addressBook) forHost(host string, known map[string][]string) map[string]string {
	to := map[string]string{}
	for name, olds := range known {
		machine, err := b.site.Directory.Lookup(name)
		if err != nil {
			continue // it was there a moment ago
		}
		a := machine.Private
		if !a.IsValid() || name == host && b.servesTheWorld(name) {
			a = machine.Public
		}
		for _, old := range olds {
			to[old] = a.String()
		}
	}
	return to
}

func (b addressBook) servesTheWorld(name string) bool {
	h, _ := b.site.Config.Host(name)
	return slices.ContainsFunc(h.Roles, func(r string) bool { return len(b.site.Config.Provision.DigitalOcean.PublicPorts[r]) > 0 })
}

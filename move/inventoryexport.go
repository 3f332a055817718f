package move

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/diff"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/move/verb"
)

// ExportInventory writes the inventory to a folder in a format that builds
// hosts, all of them or those named, and prints what was written and what is
// left to do.
func (m *Move) ExportInventory(w io.Writer, format, dir string, asJSON bool, names ...string) error {
	hosts, err := m.inventory()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(hosts, func(h *inventory.Host) bool { return h.Name == name }) {
			return verb.Refuse("migrate inventory show", "host %s is not in the inventory", name)
		}
	}
	options := export.Options{Format: export.Format(format), Objects: m.objects(), Connect: map[string]string{}}
	for _, machine := range m.directory.Machines() {
		if machine.Public.IsValid() {
			options.Connect[machine.Name] = machine.Public.String()
		}
	}
	known := m.newAddresses(hosts, &options)
	options.New = func(host string) map[string]string { return m.addressesFor(host, known) }
	result, err := export.Export(only(roles.Of(hosts), names), options)
	if err != nil {
		return err
	}
	if err := result.Write(dir); err != nil {
		return err
	}
	if asJSON {
		return inventory.WriteJSON(w, result)
	}
	return showExport(w, result, dir)
}

// only keeps the named hosts; without names all. Roles keep the name that they
// have among all hosts.
func only(all []roles.Role, names []string) []roles.Role {
	if len(names) == 0 {
		return all
	}
	var some []roles.Role
	for _, r := range all {
		r.Hosts = slices.DeleteFunc(slices.Clone(r.Hosts), func(h *inventory.Host) bool { return !slices.Contains(names, h.Name) })
		if len(r.Hosts) > 0 {
			some = append(some, r)
		}
	}
	return some
}

// newAddresses finds the old addresses of hosts whose clone is made, by host;
// those of the others go to the options' Unknown, and so do addresses that need
// not move with the host: of bridges, tunnels, other networks. An address that
// two hosts have is nobody's.
func (m *Move) newAddresses(hosts []*inventory.Host, o *export.Options) map[string][]string {
	old := diff.PeersOf(hosts)
	m.addresses(old, map[string][]netip.Addr{})
	own := map[string][]netip.Addr{}
	m.addresses(own, map[string][]netip.Addr{})
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
		if machine, err := m.directory.Lookup(of[0]); err == nil && machine.Public.IsValid() && a.Is4() && slices.Contains(own[of[0]], a) {
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

// addressesFor maps old addresses to what a host must use: the private address
// of another host, and of itself unless it serves the world.
func (m *Move) addressesFor(host string, known map[string][]string) map[string]string {
	to := map[string]string{}
	for name, olds := range known {
		machine, err := m.directory.Lookup(name)
		if err != nil {
			continue // it was there a moment ago
		}
		a := machine.Private
		if !a.IsValid() || name == host && m.servesTheWorld(name) {
			a = machine.Public
		}
		for _, old := range olds {
			to[old] = a.String()
		}
	}
	return to
}

func (m *Move) servesTheWorld(name string) bool {
	h, _ := m.Config.Host(name)
	return slices.ContainsFunc(h.Roles, func(r string) bool { return len(m.Config.Provision.DigitalOcean.PublicPorts[r]) > 0 })
}

// showExport says what was written and what it does not do.
func showExport(w io.Writer, r *export.Result, dir string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d files in %s; its README.md says how to apply them\n", len(r.Names), dir)
	if len(r.Secrets) > 0 {
		fmt.Fprintf(&b, "\nFill in %d secrets:\n", len(r.Secrets))
		for _, s := range r.Secrets {
			fmt.Fprintf(&b, "  %s: %s in %s\n", s.Name, s.Kind, strings.Join(s.Where, ", "))
		}
	}
	replaced := 0
	for _, x := range r.Rewritten {
		if x.New != "" {
			replaced++
		}
	}
	fmt.Fprintf(&b, "\n%d old addresses replaced, %d still stand in files (REWRITTEN.md); %d things not exported (NOT-EXPORTED.md)\n", replaced, len(r.Rewritten)-replaced, len(r.Left))
	_, err := io.WriteString(w, b.String())
	return err
}

package move

import (
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/page"
)

// InventoryPage writes one HTML file of what was captured: of all hosts, or of
// those named.
func (m *Move) InventoryPage(w io.Writer, names ...string) error {
	all, err := m.inventory()
	if err != nil {
		return err
	}
	hosts, err := named(all, names)
	if err != nil {
		return err
	}
	slices.SortFunc(hosts, func(a, b *inventory.Host) int { return strings.Compare(a.Name, b.Name) })
	hosts = slices.Compact(hosts)
	found, err := m.findings(all)
	if err != nil {
		return err
	}
	site := page.Site{Name: m.Config.Site, Hosts: hosts, Objects: m.objects(), Addresses: map[string][]netip.Addr{}}
	shown := map[string]bool{}
	for _, h := range hosts {
		shown[h.Name] = true
	}
	for _, f := range found {
		if shown[f.Host] {
			site.Findings = append(site.Findings, f)
		}
	}
	for _, h := range m.Config.Hosts {
		site.Addresses[h.Name] = []netip.Addr{h.Address.Addr}
	}
	return page.Write(w, site)
}

package export_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
)

// A unit whose package is not exported is left out: enabling it would fail, and
// stop a first boot.
func TestExportLeavesUnitsOfPackagesThatAreLeft(t *testing.T) {
	m := newMade(t)
	h := m.web("web1")
	h.Packages = append(h.Packages, inventory.Package{Name: "ourapp", Version: "1", Architecture: "amd64", Manual: true, Origin: inventory.Local})
	h.Services = append(h.Services, inventory.Service{Unit: "ourapp.service", Enabled: "enabled", Active: "active", Package: "ourapp"})
	h.Configuration = append(h.Configuration, m.owned(m.file("/etc/ourapp/app.conf", "x\n"), "0644", "root", "root", "ourapp"))
	for _, format := range export.Formats {
		r := m.export(format, h)
		why := map[string]string{}
		for _, l := range r.Left {
			why[l.What] = l.Why
		}
		require.Contains(t, why["unit ourapp.service"], "its package is not exported")
		for name, text := range r.Files {
			if name != "NOT-EXPORTED.md" {
				require.NotContains(t, text, "ourapp.service", name)
			}
		}
	}
	require.Contains(t, m.export(export.Ansible, h).Files["ansible.cfg"], "force_handlers = True\n")
}

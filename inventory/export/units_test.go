package export_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
)

// A unit whose package is not exported is not exported either: enabling it would fail and
// stop a first boot.
func TestExportLeavesOutUnitsOfMissingPackages(t *testing.T) {
	m := newSite(t)
	h := m.web("web1")
	h.Packages = append(h.Packages, inventory.Package{Name: "ourapp", Version: "1", Architecture: "amd64", Manual: true, Origin: inventory.Local})
	h.Services = append(h.Services, inventory.Service{Unit: "ourapp.service", Enabled: "enabled", Active: "active", Package: "ourapp"})
	h.Configuration = append(h.Configuration, m.owned(m.file("/etc/ourapp/app.conf", "x\n"), "0644", "root", "root", "ourapp"))
	for _, format := range export.Formats {
		r := m.export(format, h)
		why := map[string]string{}
		for _, l := range r.NotExported {
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

// Units are masked before packages are installed, which would start them, also those that
// only a role or a host masks.
func TestExportMasksBeforeItInstalls(t *testing.T) {
	m := newSite(t)
	hosts := m.hosts()
	hosts[0].Configuration = append(hosts[0].Configuration, inventory.File{Path: "/etc/systemd/system/cron.service", Kind: "link", Target: "/dev/null"})
	before := func(text, first, then string) {
		t.Helper()
		at := strings.Index(text, first)
		require.Positive(t, at, first)
		require.Less(t, at, strings.Index(text, then))
	}
	r := m.export(export.Ansible, hosts...)
	before(r.Files["site.yml"], "name: Mask units", "\n  roles:")
	require.Contains(t, r.Files["site.yml"], "(common_masked | default([])) + (web_masked | default([])) + (host_masked | default([]))")
	require.Contains(t, r.Files["host_vars/web1.yml"], "host_masked:\n  - cron.service\n")
	require.Contains(t, m.export(export.Salt, hosts...).Files["salt/host_web1/init.sls"], "cron.service:\n  service.masked:\n    - order: first\n")
	before(m.export(export.CloudInit, hosts...).Files["hosts/web1.yaml"], "bootcmd:\n  - - cloud-init-per\n    - once\n    - migrate-masks\n    - systemctl\n    - mask\n    - \"--\"\n    - systemd-timesyncd.service\n    - cron.service\n", "\npackages:")
}

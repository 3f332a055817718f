package export_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/report"
)

// What the capture did not see is listed, and not treated as absent.
func TestExportListsWhatTheCaptureMissed(t *testing.T) {
	m := newSite(t)
	h := m.web("web1")
	require.Contains(t, m.export(export.Ansible, h).Files["roles/common/defaults/main.yml"]+m.export(export.Ansible, h).Files["roles/web/defaults/main.yml"], "/etc/nginx/sites-enabled/default")
	h.Configuration = append(h.Configuration, inventory.File{Path: "/etc/gone", Kind: "removed"})
	h.Missing = []inventory.Missing{
		{What: "tree", Reason: inventory.Denied, Detail: "find: '/etc/sudoers.d': Permission denied"},
		{What: "sysctl", Reason: inventory.TimedOut, Detail: "it took too long"},
	}
	r := m.export(export.Ansible, h)
	require.Contains(t, r.Files["NOT-EXPORTED.md"], "- `tree: find: '/etc/sudoers.d': Permission denied`: web1\n")
	require.Contains(t, r.Files["NOT-EXPORTED.md"], "- `sysctl: it took too long`: web1\n")
	require.True(t, slices.ContainsFunc(r.NotExported, func(l export.NotExported) bool { return l.What == "/etc/gone" }))
	for _, name := range r.Names {
		require.NotContains(t, r.Files[name], "/etc/nginx/sites-enabled/default", name)
	}
}

// A host of which a whole part is missing is not exported.
func TestExportRefusesIncompleteHost(t *testing.T) {
	m := newSite(t)
	for _, missing := range []inventory.Missing{
		{What: "tree", Reason: inventory.TimedOut, Detail: "it took too long"},
		{What: "packages", Reason: inventory.Failed, Detail: "status 2"},
		{What: "unit-files", Reason: inventory.Failed, Detail: "status 1"},
		{What: "accounts", Reason: inventory.Denied, Detail: "permission denied"},
	} {
		h := m.web("web1")
		h.Missing = []inventory.Missing{missing}
		_, err := export.Export(byRole([]*inventory.Host{h}), export.Options{Format: export.Ansible, Objects: m.objects})
		require.EqualError(t, err, "export: host web1: its "+missing.What+" could not be captured ("+missing.Reason+": "+missing.Detail+"): capture again, or export the other hosts by name")
		require.Equal(t, "migrate inventory capture", report.Hint(err))
	}
}

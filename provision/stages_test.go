package provision_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
)

func stagesOf(t *testing.T, site provision.Site, d provision.Deps) map[string]plan.Stage {
	t.Helper()
	list, err := provision.Stages(t.Context(), site, d)
	require.NoError(t, err)
	stages := map[string]plan.Stage{}
	for _, s := range list {
		stages[s.Name] = s
	}
	return stages
}

func TestStagesRefuseBadSites(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	d := provisiontest.Deps(t, vendor, file)
	_, err := vendor.Client.Sizes(t.Context())
	require.NoError(t, err)
	for name, change := range map[string]func(*provision.Site){
		"migration id":           func(s *provision.Site) { s.ID = "a b" },
		"listed twice":           func(s *provision.Site) { s.Hosts[1].Name = "app1" },
		"is not a package name":  func(s *provision.Site) { s.Hosts[0].Facts.Packages = []string{"nginx; reboot"} },
		"is not a unit name":     func(s *provision.Site) { s.Hosts[0].Facts.Services = []string{"$(reboot)"} },
		"public key":             func(s *provision.Site) { s.SSHPublicKey = "ssh-ed25519" },
		"no size in region ams3": func(s *provision.Site) { s.Hosts[0].Facts.DiskGiB = 1 << 30 },
		"the vendor has no size": func(s *provision.Site) { s.Hosts[0].Size = "huge" },
		"is not a host of the site": func(s *provision.Site) {
			s.Applications = []provision.Application{{Name: "blog", Hosts: []string{"web9"}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			site := provisiontest.Site(public)
			change(&site)
			_, err := provision.Stages(t.Context(), site, d)
			require.ErrorContains(t, err, name)
		})
	}
}

package provision_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/report"
)

// A host whose disk no droplet has gets volumes for its filesystems besides the root, or
// for the folder that the configuration names; a rollback deletes what was made.
func TestLargeDisksGetVolumes(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	site := provisiontest.Site(public)
	site.IPv6 = true
	site.Hosts[0].Facts.DiskGiB, site.Hosts[0].Facts.Mounts = 2050, []provision.Mount{{Path: "/srv", GiB: 2000}, {Path: "/home", GiB: 40}}
	site.Hosts[1].Facts.DiskGiB, site.Hosts[1].Volume = 5000, "/var/lib/mysql"
	d := provisiontest.Deps(t, vendor, file)
	stages := stagesOf(t, site, d)
	network := stages[provision.StageNetwork].Steps
	volumes := network[len(network)-1]
	require.Equal(t, "make volumes: migrate-blog-1-app1-1 of 2000 GiB for /srv of app1, migrate-blog-1-app1-2 of 40 GiB for /home of app1, "+
		"migrate-blog-1-db1-1 of 5000 GiB for /var/lib/mysql of db1", volumes.Summary)
	for _, s := range network[:len(network)-1] {
		provisiontest.Apply(t, s)
	}
	plantest.Exercise(t, volumes)
	step := stages[provision.StageDroplets].Steps[0]
	require.Contains(t, step.Summary, "app1 s-1vcpu-1gb ($6 a month; the cheapest in ams3 with at least 1 CPUs, 900 MiB memory, 2050 GiB disk, its disk with volumes)")
	before, err := step.Op.Check(t.Context())
	require.NoError(t, err)
	require.NoError(t, provision.CreateDroplets(t.Context(), step))
	for _, m := range vendor.Sim.Machines() {
		require.True(t, m.PublicV6.IsValid())
		if m.Name == "app1" {
			require.Contains(t, m.UserData, "/dev/disk/by-id/scsi-0DO_Volume_migrate-blog-1-app1-2")
			require.Contains(t, m.UserData, "- /home\n")
		}
	}
	all, err := vendor.Client.Volumes(t.Context(), "ams3")
	require.NoError(t, err)
	require.Len(t, all, 3)
	for _, v := range all {
		require.ErrorIs(t, vendor.Client.DeleteVolume(t.Context(), v.ID), provision.ErrInUse, "each is attached")
	}
	require.NoError(t, step.Op.Undo(t.Context(), before.Before))
	require.NoError(t, volumes.Op.Undo(t.Context(), nil))
	all, err = vendor.Client.Volumes(t.Context(), "ams3")
	require.NoError(t, err)
	require.Empty(t, all)
	require.Eventually(t, func() bool { return len(vendor.Sim.Machines()) == 0 }, 5*time.Second, time.Millisecond)
}

func TestDisksThatNoVolumeCanHoldAreRefused(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	for name, change := range map[string]func(*provision.HostSpec){
		"the root alone": func(h *provision.HostSpec) { h.Facts.DiskGiB = 2050 },
		"the root with a small filesystem beside it": func(h *provision.HostSpec) {
			h.Facts.DiskGiB, h.Facts.Mounts = 2050, []provision.Mount{{Path: "/srv", GiB: 20}}
		},
		"larger than a volume": func(h *provision.HostSpec) { h.Facts.DiskGiB, h.Volume = 20000, "/srv" },
	} {
		site := provisiontest.Site(public)
		change(&site.Hosts[0])
		_, err := provision.Stages(t.Context(), site, provisiontest.Deps(t, vendor, file))
		require.ErrorContains(t, err, "choose a size for app1", name)
		require.Contains(t, report.Hint(err), "volume", name)
	}
	site := provisiontest.Site(public)
	site.Hosts[0].Volume = "srv"
	_, err := provision.Stages(t.Context(), site, provisiontest.Deps(t, vendor, file))
	require.ErrorContains(t, err, "not the absolute path")
}

package provision_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/report"
)

func TestImageFor(t *testing.T) {
	for os, want := range map[provision.OS]string{
		{ID: "debian", Release: "11", Architecture: "x86_64"}:                               "debian-11-x64",
		{ID: "debian", Release: "12"}:                                                       "debian-12-x64",
		{ID: "debian", Release: "13"}:                                                       "debian-13-x64",
		{ID: "ubuntu", Release: "20.04", Like: "debian"}:                                    "ubuntu-20-04-x64",
		{ID: "ubuntu", Release: "22.04", Like: "debian"}:                                    "ubuntu-22-04-x64",
		{ID: "ubuntu", Release: "24.04", Like: "debian"}:                                    "ubuntu-24-04-x64",
		{ID: "ubuntu", Release: "26.04", Like: "debian"}:                                    "ubuntu-26-04-x64",
		{ID: "debian", Release: "10", Name: "Debian GNU/Linux 10 (buster)"}:                 "no image of release \"10\"",
		{ID: "debian", Name: "Debian GNU/Linux trixie/sid"}:                                 "no image of release \"\"",
		{ID: "ubuntu", Release: "18.04", Like: "debian", Name: "Ubuntu 18.04.6 LTS"}:        "no image of release \"18.04\"",
		{ID: "rocky", Release: "9.4", Like: "rhel centos fedora", Name: "Rocky Linux 9.4"}:  "it runs Rocky Linux 9.4: hosts of RHEL's kind are not built yet",
		{ID: "rhel", Release: "8.10"}:                                                       "RHEL's kind are not built yet",
		{ID: "centos", Release: "7", Like: "rhel fedora"}:                                   "RHEL's kind are not built yet",
		{ID: "newclone", Release: "9", Like: "rhel"}:                                        "RHEL's kind are not built yet",
		{ID: "amzn", Release: "2023"}:                                                       "RHEL's kind are not built yet",
		{ID: "raspbian", Release: "12", Like: "debian", Name: "Raspbian GNU/Linux 12"}:      "no image of it that migrate can use",
		{ID: "alpine", Release: "3.20"}:                                                     "no image of it that migrate can use",
		{ID: "debian", Release: "12", Architecture: "aarch64", Name: "Debian GNU/Linux 12"}: "on aarch64: droplets are x86_64",
		{}: "not in the inventory",
	} {
		image, err := provision.ImageFor(os)
		if image != "" {
			require.NoError(t, err)
			require.Equal(t, want, image)
			continue
		}
		require.ErrorContains(t, err, want)
		require.Contains(t, report.Hint(err), "provision.digitalocean.image")
	}
}

func TestImagesAreChosenAndCheckedInThePlan(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	debian, ubuntu := provision.OS{ID: "debian", Release: "13"}, provision.OS{ID: "ubuntu", Release: "26.04"}
	site := func(change func(*provision.Site)) provision.Site {
		s := provisiontest.Site(public)
		s.Image, s.Hosts[0].OS, s.Hosts[1].OS = "", debian, ubuntu
		change(&s)
		return s
	}
	d := provisiontest.Deps(t, vendor, file)
	step := stagesOf(t, site(func(*provision.Site) {}), d)[provision.StageDroplets].Steps[0]
	require.Contains(t, step.Summary, "from debian-13-x64 (app1) and ubuntu-26-04-x64 (db1): ")
	step = stagesOf(t, site(func(s *provision.Site) { s.Image = "debian-12-x64" }), d)[provision.StageDroplets].Steps[0]
	require.Contains(t, step.Summary, "in ams3 from debian-12-x64: ")
	for want, change := range map[string]func(*provision.Site){
		"image of db1: it runs rocky 9: hosts of RHEL's kind": func(s *provision.Site) { s.Hosts[1].OS = provision.OS{ID: "rocky", Release: "9"} },
		"no image of release \"25.09\"":                       func(s *provision.Site) { s.Hosts[0].OS = provision.OS{ID: "ubuntu", Release: "25.09"} },
		"the vendor has no image ubuntu-25-10-x64":            func(s *provision.Site) { s.Hosts[0].OS = provision.OS{ID: "ubuntu", Release: "25.10"} },
		"the vendor has no image debian-99-x64":               func(s *provision.Site) { s.Image = "debian-99-x64" },
		"the vendor has no image 12345":                       func(s *provision.Site) { s.Image = "12345" },
		"the vendor has no region mars1":                      func(s *provision.Site) { s.Region = "mars1" },
		"the vendor has no region sfo1, or makes":             func(s *provision.Site) { s.Region = "sfo1" },
	} {
		_, err := provision.Stages(t.Context(), site(change), d)
		require.ErrorContains(t, err, want)
		require.NotEmpty(t, report.Hint(err), want)
	}
	_, err := provision.Stages(t.Context(), site(func(s *provision.Site) {
		s.Hosts[0].OS, s.Hosts[1].OS = provision.OS{ID: "rhel", Release: "9"}, provision.OS{ID: "alpine"}
	}), d)
	require.ErrorContains(t, err, "image of app1")
	require.ErrorContains(t, err, "image of db1", "all hosts are named at once")
	require.Empty(t, vendor.Sim.Machines())
}

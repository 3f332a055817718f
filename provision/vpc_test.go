package provision_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/report"
)

func vpcStep(t *testing.T, site provision.Site, d provision.Deps) plan.Step {
	t.Helper()
	for _, s := range stagesOf(t, site, d)[provision.StageNetwork].Steps {
		if s.Name == "vpc" {
			return s
		}
	}
	t.Fatal("no step vpc")
	return plan.Step{}
}

// The first VPC of a region becomes its default, which the vendor lets nobody delete: a
// rollback takes the site's away all the same.
func TestFirstVPCOfARegionIsTakenBack(t *testing.T) {
	names := func(t *testing.T, v *provisiontest.Vendor) map[string]bool {
		all, err := v.Client.VPCs(t.Context())
		require.NoError(t, err)
		out := map[string]bool{}
		for _, vpc := range all {
			out[vpc.Name] = vpc.Default
		}
		return out
	}
	file, public := provisiontest.Identity(t)
	site := provisiontest.Site(public)
	t.Run("made by this step", func(t *testing.T) {
		vendor := provisiontest.NewVendor(t, dosim.Options{})
		step := vpcStep(t, site, provisiontest.Deps(t, vendor, file))
		plantest.Exercise(t, step)
		require.Equal(t, map[string]bool{"migrate-blog-1": false, "default-ams3": true}, names(t, vendor))
		require.NoError(t, step.Op.Undo(t.Context(), nil))
		require.Equal(t, map[string]bool{"default-ams3": true}, names(t, vendor))
	})
	t.Run("the default already", func(t *testing.T) {
		vendor := provisiontest.NewVendor(t, dosim.Options{})
		require.NoError(t, vendor.Client.CreateVPC(t.Context(), provision.VPC{Name: "migrate-blog-1", Region: "ams3"}))
		require.Equal(t, map[string]bool{"migrate-blog-1": true}, names(t, vendor))
		require.NoError(t, vpcStep(t, site, provisiontest.Deps(t, vendor, file)).Op.Undo(t.Context(), nil))
		require.Equal(t, map[string]bool{"default-ams3": true}, names(t, vendor))
	})
	t.Run("the vendor's name for a default is another region's", func(t *testing.T) {
		vendor := provisiontest.NewVendor(t, dosim.Options{})
		require.NoError(t, vendor.Client.CreateVPC(t.Context(), provision.VPC{Name: "default-ams3", Region: "fra1"}))
		err := vpcStep(t, site, provisiontest.Deps(t, vendor, file)).Op.Apply(t.Context())
		require.ErrorContains(t, err, "taken by a VPC in fra1")
		require.Contains(t, report.Hint(err), "control panel")
	})
	t.Run("a refusal by a rule is not about rights", func(t *testing.T) {
		vendor := provisiontest.NewVendor(t, dosim.Options{})
		require.NoError(t, vendor.Client.CreateVPC(t.Context(), provision.VPC{Name: "first", Region: "ams3"}))
		all, err := vendor.Client.VPCs(t.Context())
		require.NoError(t, err)
		err = vendor.Client.DeleteVPC(t.Context(), all[0].ID)
		require.ErrorContains(t, err, "Can not delete default VPCs")
		require.Empty(t, report.Hint(err))
	})
}

func TestVPCRangeIsCheckedInThePlan(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	require.NoError(t, vendor.Client.CreateVPC(t.Context(), provision.VPC{Name: "shop", Region: "fra1", Range: netip.MustParsePrefix("10.50.0.0/20")}))
	file, public := provisiontest.Identity(t)
	for text, want := range map[string]string{
		"10.244.16.0/20":  "overlaps 10.244.0.0/16, which the vendor reserves",
		"10.245.0.0/16":   "overlaps 10.245.0.0/16",
		"10.246.0.128/25": "overlaps 10.246.0.0/24",
		"10.246.0.0/16":   "overlaps 10.246.0.0/24",
		"10.229.255.0/24": "overlaps 10.229.0.0/16",
		"10.50.8.0/24":    "overlaps 10.50.0.0/20 of VPC shop (fra1)",
		"10.0.0.0/8":      "between /16 and /28",
		"10.1.0.0/29":     "between /16 and /28",
		"100.64.0.0/20":   "10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
		"172.0.0.0/16":    "10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
		"2001:db8::/64":   "between /16 and /28",
		"10.1.0.7/24":     "that is 10.1.0.0/24",
		"10.7.0.0/24":     "host app1: its address 10.7.0.9 is inside",
	} {
		t.Run(text, func(t *testing.T) {
			site := provisiontest.Site(public)
			site.VPCRange = netip.MustParsePrefix(text)
			site.Hosts[0].OtherAddresses = []netip.Addr{netip.MustParseAddr("10.7.0.9")}
			d := provisiontest.Deps(t, vendor, file)
			stages, err := provision.Stages(t.Context(), site, d)
			if err == nil {
				_, err = stages[0].Steps[1].Op.Check(t.Context())
			}
			require.ErrorContains(t, err, want)
			require.Contains(t, report.Hint(err), "vpc_range")
		})
	}
	t.Run("more hosts than addresses", func(t *testing.T) {
		site := provisiontest.Site(public)
		site.VPCRange = netip.MustParsePrefix("10.1.0.0/28")
		for len(site.Hosts) < 12 {
			site.Hosts = append(site.Hosts, provision.HostSpec{Name: "h" + string(rune('a'+len(site.Hosts)))})
		}
		_, err := provision.Stages(t.Context(), site, provisiontest.Deps(t, vendor, file))
		require.ErrorContains(t, err, "too small for 12 hosts")
	})
	t.Run("10.247.0.0/16 is free", func(t *testing.T) {
		site := provisiontest.Site(public)
		site.VPCRange = netip.MustParsePrefix("10.247.0.0/16")
		provisiontest.Apply(t, vpcStep(t, site, provisiontest.Deps(t, vendor, file)))
	})
}

// A range that the vendor chose is checked before anything stands in it.
func TestVendorsRangeIsChecked(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	site := provisiontest.Site(public)
	site.Hosts[1].OtherAddresses = []netip.Addr{netip.MustParseAddr("10.100.0.5")} // the vendor's first range
	step := vpcStep(t, site, provisiontest.Deps(t, vendor, file))
	err := step.Op.Apply(t.Context())
	require.ErrorContains(t, err, "host db1: its address 10.100.0.5 is inside the new VPC's range 10.100.0.0/20")
	require.Contains(t, report.Hint(err), "set provision.digitalocean.vpc_range")
	all, err := vendor.Client.VPCs(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, "default-ams3", all[0].Name, "nothing stands in the site's, and it is gone")
}

// Tags differ in more than their capitalisation, or they are one tag.
func TestTagsInAnotherCapitalisationAreFound(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	require.NoError(t, vendor.Client.CreateTag(t.Context(), "Migrate:BLOG-1"))
	require.NoError(t, vendor.Client.CreateTag(t.Context(), "MIGRATE:blog-1:web"))
	file, public := provisiontest.Identity(t)
	d := provisiontest.Deps(t, provisiontest.Again(t, vendor), file)
	stages := stagesOf(t, provisiontest.Site(public), d)
	for _, s := range append(stages[provision.StageNetwork].Steps, stages[provision.StageFirewall].Steps...) {
		t.Run(s.Name, func(t *testing.T) { plantest.Exercise(t, s) })
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
	require.NoError(t, err)
	made, err := vendor.Client.CreateDroplets(t.Context(), provision.DropletRequest{
		Names: []string{"app1"}, Region: "ams3", Size: "s-1vcpu-1gb", Image: "debian-12-x64", Tags: []string{"migrate:blog-1"},
		KeyFingerprint: ssh.FingerprintLegacyMD5(key),
	})
	require.NoError(t, err)
	require.Equal(t, []string{"Migrate:BLOG-1"}, made[0].Tags)
	found, err := provisiontest.Again(t, vendor).Client.DropletsTagged(t.Context(), "migrate:blog-1")
	require.NoError(t, err)
	require.Len(t, found, 1)
	for _, s := range stages[provision.StageNetwork].Steps {
		if s.Name == "tags" {
			require.NoError(t, s.Op.Undo(t.Context(), []byte(`{"tags":["migrate:blog-1","migrate:blog-1:web"]}`)))
		}
	}
	all, err := vendor.Client.ListTags(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"Migrate:BLOG-1", "MIGRATE:blog-1:web"}, all)
}

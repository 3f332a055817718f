package provision_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/report"
)

// createdSite has droplets that never answer over SSH: their step ends after the vendor
// has made them.
type createdSite struct {
	vendor *provisiontest.Vendor
	deps   provision.Deps
	site   provision.Site
	step   plan.Step
	before []byte
	key    string // the fingerprint of the operator's key
}

func newCreatedSite(t *testing.T, faults ...dosim.Fault) *createdSite {
	t.Helper()
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	c := &createdSite{vendor: vendor, deps: provisiontest.Deps(t, vendor, file), key: fingerprint(t, public)}
	c.deps.Serves = func(context.Context, []provision.Host) error { return nil }
	c.site = provisiontest.Site(public)
	stages := stagesOf(t, c.site, c.deps)
	for _, s := range stages[provision.StageNetwork].Steps {
		provisiontest.Apply(t, s)
	}
	c.step = stages[provision.StageDroplets].Steps[0]
	state, err := c.step.Op.Check(t.Context())
	require.NoError(t, err)
	c.before = state.Before
	for _, f := range faults {
		vendor.Sim.Inject(f)
	}
	return c
}

// make makes the droplets. No sshd answers, so the step never ends well.
func (c *createdSite) make(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.Error(t, c.step.Op.Apply(ctx))
}

func (c *createdSite) names() (names []string) {
	for _, m := range c.vendor.Sim.Machines() {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}

// add makes a droplet by hand, as a person would who copies one of the migration's.
func (c *createdSite) add(t *testing.T, like provision.Droplet, name string, tags ...string) provision.Droplet {
	t.Helper()
	made, err := c.vendor.Client.CreateDroplets(t.Context(), provision.DropletRequest{
		Names: []string{name}, Region: "ams3", Size: like.Size, Image: "debian-12-x64", VPC: like.VPC, Tags: tags, KeyFingerprint: c.key,
	})
	require.NoError(t, err)
	return made[0]
}

// TestOnlyDropletsThatWereMadeAreDeleted proves that neither the tag, nor a host's name, nor
// a place in the VPC is enough for a droplet to be deleted (I10).
func TestOnlyDropletsThatWereMadeAreDeleted(t *testing.T) {
	const tag = "migrate:blog-1"
	for name, other := range map[string]struct {
		name    string
		tags    []string
		instead bool // of the migration's own droplet of that name
	}{
		"another host with the tag":       {name: "web9", tags: []string{tag}},
		"a host's name with the tag":      {name: "app1", tags: []string{tag}},
		"in the place of ours":            {name: "app1", tags: []string{tag}, instead: true},
		"in our VPC in the place of ours": {name: "app1", instead: true},
		"with the tag of a role as well":  {name: "web9", tags: []string{tag, tag + ":web"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCreatedSite(t)
			c.make(t)
			ours, err := c.vendor.Client.DropletsNamed(t.Context(), "app1")
			require.NoError(t, err)
			if other.instead {
				require.NoError(t, c.vendor.Client.DeleteDroplet(t.Context(), ours[0].ID))
			}
			d := c.add(t, ours[0], other.name, other.tags...)
			names := c.names()
			err = c.step.Op.Undo(t.Context(), c.before)
			require.ErrorContains(t, err, "it has not made them: "+d.Name)
			require.Contains(t, report.Hint(err), "take the tag migrate:blog-1 off")
			require.Equal(t, names, c.names(), "it stops before it deletes anything")

			require.NoError(t, c.vendor.Client.DeleteDroplet(t.Context(), d.ID))
			require.NoError(t, c.step.Op.Undo(t.Context(), c.before))
			require.Empty(t, c.vendor.Sim.Machines())
		})
	}
}

// TestDropletsOfALostAnswerAreOurs loses the answer of a create, and takes the step back at
// once or after another try.
func TestDropletsOfALostAnswerAreOurs(t *testing.T) {
	for _, again := range []bool{false, true} {
		c := newCreatedSite(t, dosim.Fault{Method: "POST", Path: "/v2/droplets", Kind: dosim.DropAfter, Times: 2})
		c.make(t)
		c.make(t)
		if again {
			c.vendor.Sim.ClearFaults()
			c.make(t)
		}
		require.Equal(t, []string{"app1", "db1"}, c.names())
		require.NoError(t, c.step.Op.Undo(t.Context(), c.before))
		require.Empty(t, c.vendor.Sim.Machines())
	}
}

// TestNothingIsDeletedWithoutTheRecord has lost the record, or has one of an earlier time.
func TestNothingIsDeletedWithoutTheRecord(t *testing.T) {
	c := newCreatedSite(t)
	c.make(t)
	record := folderOf(c.deps) + "/droplets.json"
	saved, err := os.ReadFile(record)
	require.NoError(t, err)
	for name, content := range map[string]string{"lost": "", "old": `{"ids": [7]}`, "damaged": "{"} {
		require.NoError(t, os.Remove(record))
		if content != "" {
			require.NoError(t, os.WriteFile(record, []byte(content), 0o600))
		}
		err := c.step.Op.Undo(t.Context(), c.before)
		require.Error(t, err, name)
		require.NotEmpty(t, report.Hint(err), name)
		require.Equal(t, []string{"app1", "db1"}, c.names(), name)
		require.NoError(t, os.WriteFile(record, saved, 0o600))
	}
	require.NoError(t, c.step.Op.Undo(t.Context(), c.before))
	require.Empty(t, c.vendor.Sim.Machines())
}

// TestNothingThatServesIsDeleted asks who is led to the droplets first (I10).
func TestNothingThatServesIsDeleted(t *testing.T) {
	c := newCreatedSite(t)
	c.make(t)
	serving := errors.New("www.example.net leads to it")
	c.deps.Serves = func(_ context.Context, hosts []provision.Host) error {
		require.Len(t, hosts, 2)
		return serving
	}
	_, public := provisiontest.Identity(t)
	step := stagesOf(t, provisiontest.Site(public), c.deps)[provision.StageDroplets].Steps[0]
	require.ErrorIs(t, step.Op.Undo(t.Context(), c.before), serving)
	require.Len(t, c.vendor.Sim.Machines(), 2)
}

func fingerprint(t *testing.T, authorized string) string {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(authorized))
	require.NoError(t, err)
	return ssh.FingerprintLegacyMD5(key)
}

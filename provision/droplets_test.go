package provision_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/report"
)

func TestDropletsStep(t *testing.T) {
	vendor := provisiontest.NewVendorWithSandboxes(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	d := provisiontest.Deps(t, vendor, file)
	site := provisiontest.Site(public)
	stages := stagesOf(t, site, d)
	for _, s := range stages[provision.StageNetwork].Steps {
		provisiontest.Apply(t, s)
	}
	plantest.Exercise(t, stages[provision.StageDroplets].Steps[0])

	known, err := os.ReadFile(d.Directory.KnownHosts())
	require.NoError(t, err)
	require.NotContains(t, string(known), "bootstrap")
	require.NoFileExists(t, provision.BootstrapPath(folderOf(d)), "the first host key is forgotten")
	keys := map[string]bool{}
	for _, m := range d.Directory.Hosts() {
		keys[m.HostKey] = true
	}
	require.Len(t, keys, 2, "each droplet has a host key of its own")
	require.Len(t, vendor.Sim.Machines(), 2)

	t.Run("a lost hosts.json is made again", func(t *testing.T) {
		require.NoError(t, os.Remove(folderOf(d)+"/hosts.json"))
		again, err := provision.OpenDirectory(folderOf(d), provisiontest.SandboxPort)
		require.NoError(t, err)
		_, err = again.Lookup("db1")
		require.ErrorIs(t, err, provision.ErrNotProvisioned)
		d := d
		d.Directory, d.Hosts = again, provisiontest.NewHosts(t, file, again)
		provisiontest.Apply(t, stagesOf(t, site, d)[provision.StageDroplets].Steps[0])
		m, err := again.Lookup("db1")
		require.NoError(t, err)
		require.True(t, keys[m.HostKey], "with the key that known_hosts remembers")
		require.Len(t, vendor.Sim.Machines(), 2)
	})
	t.Run("another host key is refused", func(t *testing.T) {
		m, err := d.Directory.Lookup("db1")
		require.NoError(t, err)
		_, m.HostKey = provisiontest.NewKey(t)
		require.NoError(t, d.Directory.Record(m))
		host := d.Hosts.Target("db1")
		require.NoError(t, host.Close())
		require.ErrorContains(t, host.Run(t.Context(), "true", nil, nil), "has changed")
	})
}

func folderOf(d provision.Deps) string {
	return strings.TrimSuffix(d.Directory.KnownHosts(), "/known_hosts")
}

// Each host gets one droplet, whatever happens to the answer of a create.
func TestCreateNeverDoubles(t *testing.T) {
	for _, kind := range []dosim.Kind{dosim.DropAfter, dosim.DropBefore, dosim.TooManyRequests, dosim.ServerError, dosim.BadGateway} {
		t.Run(kind.String(), func(t *testing.T) {
			vendor := provisiontest.NewVendorWithSandboxes(t, dosim.Options{BootDelay: 50 * time.Millisecond})
			file, public := provisiontest.Identity(t)
			d := provisiontest.Deps(t, vendor, file)
			site := provisiontest.Site(public)
			stages := stagesOf(t, site, d)
			for _, s := range stages[provision.StageNetwork].Steps {
				provisiontest.Apply(t, s)
			}
			vendor.Sim.Inject(dosim.Fault{Method: "POST", Path: "/v2/droplets", Kind: kind, Delay: time.Second, Times: 2})
			provisiontest.Apply(t, stages[provision.StageDroplets].Steps[0])
			require.Zero(t, vendor.Sim.ClearFaults(), "the faults were met")
			require.Len(t, vendor.Sim.Machines(), len(site.Hosts))
			require.Equal(t, len(site.Hosts), vendor.Boots())
		})
	}
}

func TestDropletLimitIsCheckedFirst(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{Limits: dosim.Limits{Droplets: 1}})
	file, public := provisiontest.Identity(t)
	step := stagesOf(t, provisiontest.Site(public), provisiontest.Deps(t, vendor, file))[provision.StageDroplets].Steps[0]
	_, err := step.Op.Check(t.Context())
	require.ErrorContains(t, err, "2 more do not fit")
	require.Contains(t, report.Hint(err), "higher limit")
	require.Empty(t, vendor.Sim.Machines())
}

func TestManyHostsInFewCalls(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	site := provisiontest.Site(public)
	for i := range 12 {
		h := site.Hosts[0]
		h.Name = fmt.Sprintf("web-%02d", i)
		site.Hosts = append(site.Hosts, h)
	}
	d := provisiontest.Deps(t, vendor, file)
	stages := stagesOf(t, site, d)
	for _, s := range stages[provision.StageNetwork].Steps {
		provisiontest.Apply(t, s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // no sshd answers in this lab
	defer cancel()
	require.Error(t, stages[provision.StageDroplets].Steps[0].Op.Apply(ctx))
	require.Len(t, vendor.Sim.Machines(), 14)
	creates := 0
	for _, r := range vendor.Sim.Requests() {
		if r.Method == "POST" && r.Path == "/v2/droplets" {
			creates++
		}
	}
	require.Equal(t, 3, creates, "13 alike need two calls, db1 one")
	require.FileExists(t, provision.BootstrapPath(folderOf(d)), "the first host key is kept until it is replaced")
}

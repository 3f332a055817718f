package provision_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/report"
)

// applied applies a stage's steps as the Runner does: after a Transient error it
// checks, and applies again.
func applied(t *testing.T, step plan.Step) {
	t.Helper()
	require.NoError(t, tryApply(t.Context(), step))
	require.NoError(t, step.Op.Verify(t.Context()))
}

func tryApply(ctx context.Context, step plan.Step) error {
	for range 6 {
		state, err := step.Op.Check(ctx)
		if err == nil && !state.Done {
			err = step.Op.Apply(ctx)
		}
		var transient *report.TransientError
		if !errors.As(err, &transient) {
			return err
		}
	}
	return errors.New("still failing after six attempts")
}

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

func TestNetworkAndFirewallSteps(t *testing.T) {
	l := newLab(t, false, dosim.Options{})
	file, public := identity(t)
	stages := stagesOf(t, testSite(public), deps(t, l, file))
	for _, name := range []string{provision.StageNetwork, provision.StageFirewall} {
		require.NotEmpty(t, stages[name].Steps)
		for _, step := range stages[name].Steps {
			t.Run(name+"/"+step.Name, func(t *testing.T) { plantest.Exercise(t, step) })
		}
	}
	walls, err := l.client.Firewalls(t.Context())
	require.NoError(t, err)
	require.Len(t, walls, 2, "the common one, and web's: app and db have no public ports")
}

func TestFirewallUndoPutsTheEarlierRulesBack(t *testing.T) {
	l := newLab(t, false, dosim.Options{})
	file, public := identity(t)
	site := testSite(public)
	d := deps(t, l, file)
	stages := stagesOf(t, site, d)
	for _, s := range append(stages[provision.StageNetwork].Steps, stages[provision.StageFirewall].Steps...) {
		applied(t, s)
	}
	site.PublicPorts = map[string][]int{"web": {8080}}
	for _, s := range stagesOf(t, site, d)[provision.StageFirewall].Steps {
		if s.Name == "role-web" {
			plantest.Exercise(t, s)
		}
	}
}

func TestDropletsStep(t *testing.T) {
	l := newLab(t, true, dosim.Options{})
	file, public := identity(t)
	d := deps(t, l, file)
	site := testSite(public)
	stages := stagesOf(t, site, d)
	for _, s := range stages[provision.StageNetwork].Steps {
		applied(t, s)
	}
	plantest.Exercise(t, stages[provision.StageDroplets].Steps[0])

	known, err := os.ReadFile(d.Directory.KnownHosts())
	require.NoError(t, err)
	require.NotContains(t, string(known), "bootstrap")
	require.NoFileExists(t, provision.BootstrapPath(folderOf(d)), "the first host key is forgotten")
	keys := map[string]bool{}
	for _, m := range d.Directory.Machines() {
		keys[m.HostKey] = true
	}
	require.Len(t, keys, 2, "each droplet has a host key of its own")
	require.Len(t, l.sim.Machines(), 2)

	t.Run("a lost hosts.json is made again", func(t *testing.T) {
		require.NoError(t, os.Remove(folderOf(d)+"/hosts.json"))
		again, err := provision.OpenDirectory(folderOf(d), sandboxPort)
		require.NoError(t, err)
		_, err = again.Lookup("db1")
		require.ErrorIs(t, err, provision.ErrNotProvisioned)
		d := d
		d.Directory, d.Hosts = again, newHosts(t, file, again)
		applied(t, stagesOf(t, site, d)[provision.StageDroplets].Steps[0])
		m, err := again.Lookup("db1")
		require.NoError(t, err)
		require.True(t, keys[m.HostKey], "with the key that known_hosts remembers")
		require.Len(t, l.sim.Machines(), 2)
	})
	t.Run("another host key is refused", func(t *testing.T) {
		m, err := d.Directory.Lookup("db1")
		require.NoError(t, err)
		_, m.HostKey = newKey(t)
		require.NoError(t, d.Directory.Put(m))
		host := d.Hosts.Target("db1")
		require.NoError(t, host.Close())
		require.ErrorContains(t, host.Run(t.Context(), "true", nil, nil), "has changed")
	})
}

func folderOf(d provision.Deps) string {
	return strings.TrimSuffix(d.Directory.KnownHosts(), "/known_hosts")
}

// Whatever happens to the answer of a create, each host gets one droplet.
func TestCreateNeverDoubles(t *testing.T) {
	for _, kind := range []dosim.Kind{dosim.DropAfter, dosim.DropBefore, dosim.TooManyRequests, dosim.ServerError, dosim.BadGateway} {
		t.Run(kind.String(), func(t *testing.T) {
			l := newLab(t, true, dosim.Options{BootDelay: 50 * time.Millisecond})
			file, public := identity(t)
			d := deps(t, l, file)
			site := testSite(public)
			stages := stagesOf(t, site, d)
			for _, s := range stages[provision.StageNetwork].Steps {
				applied(t, s)
			}
			l.sim.Inject(dosim.Fault{Method: "POST", Path: "/v2/droplets", Kind: kind, Delay: time.Second, Times: 2})
			applied(t, stages[provision.StageDroplets].Steps[0])
			require.Zero(t, l.sim.ClearFaults(), "the faults were met")
			require.Len(t, l.sim.Machines(), len(site.Hosts))
			require.Equal(t, len(site.Hosts), l.booter.boots)
		})
	}
}

// A lost answer or a refusal of any other create or delete leaves one of each,
// and then none.
func TestNetworkSurvivesFaults(t *testing.T) {
	for _, kind := range []dosim.Kind{dosim.DropAfter, dosim.DropBefore, dosim.TooManyRequests, dosim.ServerError, dosim.BadGateway} {
		t.Run(kind.String(), func(t *testing.T) {
			l := newLab(t, false, dosim.Options{})
			file, public := identity(t)
			stages := stagesOf(t, testSite(public), deps(t, l, file))
			steps := append(stages[provision.StageNetwork].Steps, stages[provision.StageFirewall].Steps...)
			befores := make([]plan.State, len(steps))
			for i, step := range steps {
				var err error
				befores[i], err = step.Op.Check(t.Context())
				require.NoError(t, err)
				l.sim.Inject(dosim.Fault{Method: "POST", Kind: kind, Delay: time.Second})
				applied(t, step)
				require.Zero(t, l.sim.ClearFaults())
			}
			walls, err := l.client.Firewalls(t.Context())
			require.NoError(t, err)
			require.Len(t, walls, 2)
			for i, step := range slices.Backward(steps) {
				l.sim.Inject(dosim.Fault{Method: "DELETE", Kind: kind, Delay: time.Second})
				undone := func() error { return step.Op.Undo(t.Context(), befores[i].Before) }
				if err := undone(); err != nil {
					var transient *report.TransientError
					require.ErrorAs(t, err, &transient)
					require.NoError(t, undone())
				}
				require.Zero(t, l.sim.ClearFaults())
				after, err := step.Op.Check(t.Context())
				require.NoError(t, err)
				require.JSONEq(t, string(befores[i].Before), string(after.Before), step.Name)
			}
		})
	}
}

func TestDropletLimitIsCheckedFirst(t *testing.T) {
	l := newLab(t, false, dosim.Options{Limits: dosim.Limits{Droplets: 1}})
	file, public := identity(t)
	step := stagesOf(t, testSite(public), deps(t, l, file))[provision.StageDroplets].Steps[0]
	_, err := step.Op.Check(t.Context())
	require.ErrorContains(t, err, "2 more do not fit")
	require.Contains(t, report.Hint(err), "higher limit")
	require.Empty(t, l.sim.Machines())
}

func TestStagesRefuseBadSites(t *testing.T) {
	l := newLab(t, false, dosim.Options{})
	file, public := identity(t)
	d := deps(t, l, file)
	_, err := l.client.Sizes(t.Context())
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
			site := testSite(public)
			change(&site)
			_, err := provision.Stages(t.Context(), site, d)
			require.ErrorContains(t, err, name)
		})
	}
}

func TestManyHostsInFewCalls(t *testing.T) {
	l := newLab(t, false, dosim.Options{})
	file, public := identity(t)
	site := testSite(public)
	for i := range 12 {
		h := site.Hosts[0]
		h.Name = fmt.Sprintf("web-%02d", i)
		site.Hosts = append(site.Hosts, h)
	}
	d := deps(t, l, file)
	stages := stagesOf(t, site, d)
	for _, s := range stages[provision.StageNetwork].Steps {
		applied(t, s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // no sshd answers in this lab
	defer cancel()
	require.Error(t, stages[provision.StageDroplets].Steps[0].Op.Apply(ctx))
	require.Len(t, l.sim.Machines(), 14)
	creates := 0
	for _, r := range l.sim.Requests() {
		if r.Method == "POST" && r.Path == "/v2/droplets" {
			creates++
		}
	}
	require.Equal(t, 3, creates, "13 alike need two calls, db1 one")
	require.FileExists(t, provision.BootstrapPath(folderOf(d)), "the first host key is kept until it is replaced")
}

package provision_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/report"
)

// A droplet whose first boot goes wrong is named with what is wrong, and can be taken back.
func TestFirstBootGoesWrong(t *testing.T) {
	for kind, want := range map[dosim.BootKind]string{
		dosim.BootFails:          "could not start droplets: db1 (",
		dosim.BootHangs:          "did not start within 300ms: db1 (new)",
		dosim.BootWithoutAddress: "did not start within 300ms: db1 (without an address)",
	} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			c := newCreatedSite(t)
			c.vendor.Sim.InjectBoot(dosim.BootFault{Droplet: "db1", Kind: kind})
			if kind != dosim.BootFails {
				provision.SetCreateBudget(c.step, 300*time.Millisecond)
			}
			err := c.step.Op.Apply(t.Context())
			require.ErrorContains(t, err, want)
			require.Contains(t, report.Hint(err), "rollback --all")
			provision.SetCreateBudget(c.step, 10*time.Second)
			require.NoError(t, c.step.Op.Undo(t.Context(), c.before))
			require.Eventually(t, func() bool { return len(c.vendor.Sim.Machines()) == 0 }, 5*time.Second, time.Millisecond)
		})
	}
}

// A droplet that is not this migration's may have the name of a host: the plan says so,
// and it stays as it is.
func TestNamesakesAreNamedAndLeftAlone(t *testing.T) {
	c := newCreatedSite(t)
	other, err := c.vendor.Client.CreateDroplets(t.Context(), provision.DropletRequest{
		Names: []string{"app1"}, Region: "ams3", Size: "s-1vcpu-1gb", Image: "debian-12-x64", KeyFingerprint: c.key,
	})
	require.NoError(t, err)
	state, err := c.step.Op.Check(t.Context())
	require.NoError(t, err)
	require.Contains(t, state.Now, fmt.Sprintf("0 of 2 droplets, 0 of them ready; other droplets of the account have the names of hosts and stay as they are: app1 (%d)", other[0].ID))
	c.make(t)
	require.Equal(t, []string{"app1", "app1", "db1"}, c.names())
	require.NoError(t, c.step.Op.Undo(t.Context(), c.before))
	require.Eventually(t, func() bool { return len(c.vendor.Sim.Machines()) == 1 }, 5*time.Second, time.Millisecond)
	require.Equal(t, other[0].ID, c.vendor.Sim.Machines()[0].ID)
}

// A token of another account finds nothing of the migration: nothing is made, and nothing
// counts as taken back.
func TestATokenOfAnotherAccountIsRefused(t *testing.T) {
	c := newCreatedSite(t)
	c.make(t)
	require.Equal(t, []string{"app1", "db1"}, c.names())
	other := provisiontest.NewVendor(t, dosim.Options{Account: "another-account"})
	d := c.deps
	d.Cloud = other.Client
	step := stagesOf(t, c.site, d)[provision.StageDroplets].Steps[0]
	_, err := step.Op.Check(t.Context())
	for _, err := range []error{err, step.Op.Apply(t.Context()), step.Op.Undo(t.Context(), c.before)} {
		require.ErrorContains(t, err, "the token is of another account (another-account)")
		require.Contains(t, report.Hint(err), "token_env")
	}
	require.Empty(t, other.Sim.Machines())
	require.NoError(t, c.step.Op.Undo(t.Context(), c.before), "with the right token everything is taken back")
}

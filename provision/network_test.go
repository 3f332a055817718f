package provision_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/report"
)

func TestNetworkAndFirewallSteps(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	stages := stagesOf(t, provisiontest.Site(public), provisiontest.Deps(t, vendor, file))
	for _, name := range []string{provision.StageNetwork, provision.StageFirewall} {
		require.NotEmpty(t, stages[name].Steps)
		for _, step := range stages[name].Steps {
			t.Run(name+"/"+step.Name, func(t *testing.T) { plantest.Exercise(t, step) })
		}
	}
	walls, err := vendor.Client.Firewalls(t.Context())
	require.NoError(t, err)
	require.Len(t, walls, 2, "the common one, and web's: app and db have no public ports")
}

func TestFirewallUndoPutsTheEarlierRulesBack(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	site := provisiontest.Site(public)
	d := provisiontest.Deps(t, vendor, file)
	stages := stagesOf(t, site, d)
	for _, s := range append(stages[provision.StageNetwork].Steps, stages[provision.StageFirewall].Steps...) {
		provisiontest.Apply(t, s)
	}
	site.PublicPorts = map[string][]int{"web": {8080}}
	for _, s := range stagesOf(t, site, d)[provision.StageFirewall].Steps {
		if s.Name == "role-web" {
			plantest.Exercise(t, s)
		}
	}
}

// A lost answer or a refusal of any other create or delete leaves one of each,
// and then none.
func TestNetworkSurvivesFaults(t *testing.T) {
	for _, kind := range []dosim.Kind{dosim.DropAfter, dosim.DropBefore, dosim.TooManyRequests, dosim.ServerError, dosim.BadGateway} {
		t.Run(kind.String(), func(t *testing.T) {
			vendor := provisiontest.NewVendor(t, dosim.Options{})
			file, public := provisiontest.Identity(t)
			stages := stagesOf(t, provisiontest.Site(public), provisiontest.Deps(t, vendor, file))
			steps := append(stages[provision.StageNetwork].Steps, stages[provision.StageFirewall].Steps...)
			befores := make([]plan.State, len(steps))
			for i, step := range steps {
				var err error
				befores[i], err = step.Op.Check(t.Context())
				require.NoError(t, err)
				vendor.Sim.Inject(dosim.Fault{Method: "POST", Kind: kind, Delay: time.Second})
				provisiontest.Apply(t, step)
				require.Zero(t, vendor.Sim.ClearFaults())
			}
			walls, err := vendor.Client.Firewalls(t.Context())
			require.NoError(t, err)
			require.Len(t, walls, 2)
			for i, step := range slices.Backward(steps) {
				vendor.Sim.Inject(dosim.Fault{Method: "DELETE", Kind: kind, Delay: time.Second})
				undone := func() error { return step.Op.Undo(t.Context(), befores[i].Before) }
				if err := undone(); err != nil {
					var transient *report.TransientError
					require.ErrorAs(t, err, &transient)
					require.NoError(t, undone())
				}
				require.Zero(t, vendor.Sim.ClearFaults())
				after, err := step.Op.Check(t.Context())
				require.NoError(t, err)
				require.JSONEq(t, string(befores[i].Before), string(after.Before), step.Name)
			}
		})
	}
}

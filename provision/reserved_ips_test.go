package provision_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/report"
)

func TestReservedIPs(t *testing.T) {
	for limit, fits := range map[int]bool{1: true, -1: false} {
		vendor := provisiontest.NewVendor(t, dosim.Options{ActionDelay: 20 * time.Millisecond, Limits: dosim.Limits{ReservedIPs: limit}})
		file, public := provisiontest.Identity(t)
		site, d := provisiontest.Site(public), provisiontest.Deps(t, vendor, file)
		require.Empty(t, stagesOf(t, site, d)[provision.StageAddresses].Steps, "only where the configuration asks for them")
		site.ReservedIPs = true
		stages := stagesOf(t, site, d)
		step := stages[provision.StageAddresses].Steps[0]
		require.Equal(t, "make reserved IPs for app1", step.Summary, "db1 is not public")
		if !fits {
			_, err := step.Op.Check(t.Context())
			require.ErrorContains(t, err, "1 more do not fit")
			require.Contains(t, report.Hint(err), "limit")
			continue
		}
		for _, s := range stages[provision.StageNetwork].Steps {
			provisiontest.Apply(t, s)
		}
		require.NoError(t, provision.CreateDroplets(t.Context(), stages[provision.StageDroplets].Steps[0]))
		for _, m := range vendor.Sim.Machines() {
			require.NoError(t, d.Directory.Record(provision.Host{Name: m.Name, Droplet: m.ID, Public: m.PublicV4, Private: m.PrivateV4, HostKey: public}))
		}
		require.Eventually(t, func() bool {
			all, err := vendor.Client.AllDroplets(t.Context())
			return err == nil && len(all) == 2
		}, time.Second, time.Millisecond)
		vendor.Sim.Inject(dosim.Fault{Method: "POST", Path: "/v2/reserved_ips", Kind: dosim.DropAfter})
		provisiontest.Apply(t, step)
		all, err := vendor.Client.ReservedIPs(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 1, "a lost answer doubles none")
		h, err := d.Directory.Lookup("app1")
		require.NoError(t, err)
		require.Equal(t, all[0].Address, h.Reserved)
		require.NoError(t, eventually(t, func() error { return step.Op.Undo(t.Context(), nil) }))
		all, err = vendor.Client.ReservedIPs(t.Context())
		require.NoError(t, err)
		require.Empty(t, all)
	}
}

// eventually repeats what fails while an action is pending.
func eventually(t *testing.T, try func() error) (err error) {
	t.Helper()
	require.Eventually(t, func() bool { err = try(); return err == nil }, 5*time.Second, 10*time.Millisecond)
	return err
}

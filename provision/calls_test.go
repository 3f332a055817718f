package provision_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
)

// manyHosts is a site of n hosts alike.
func manyHosts(public string, n int) provision.Site {
	site := provisiontest.Site(public)
	like := site.Hosts[0]
	site.Hosts = nil
	for i := range n {
		like.Name = fmt.Sprintf("web-%03d", i)
		site.Hosts = append(site.Hosts, like)
	}
	return site
}

// apiLatencies makes the simulator as slow as the vendor's API is.
func apiLatencies(v *provisiontest.Vendor) {
	v.Sim.Inject(dosim.Fault{Method: "POST", Path: "/v2/droplets", Kind: dosim.Slow, Delay: 1500 * time.Millisecond, Times: -1})
	v.Sim.Inject(dosim.Fault{Method: "GET", Kind: dosim.Slow, Delay: 120 * time.Millisecond, Times: -1})
	v.Sim.Inject(dosim.Fault{Kind: dosim.Slow, Delay: 300 * time.Millisecond, Times: -1})
}

type calls struct{ all, creates int }

func callsSince(v *provisiontest.Vendor, n int) (c calls) {
	for _, r := range v.Sim.Requests()[n:] {
		c.all++
		if r.Method == "POST" && r.Path == "/v2/droplets" {
			c.creates++
		}
	}
	return c
}

// dropletStep applies the stages before the droplets and returns their step.
func dropletStep(t testing.TB, site provision.Site, d provision.Deps) plan.Step {
	t.Helper()
	stages, err := provision.Stages(t.Context(), site, d)
	require.NoError(t, err)
	for _, s := range stages {
		if s.Name == provision.StageDroplets {
			return s.Steps[0]
		}
		for _, step := range s.Steps {
			require.NoError(t, step.Op.Apply(t.Context()))
		}
	}
	t.Fatal("no stage of droplets")
	return plan.Step{}
}

// Twenty droplets take two create calls, and under three calls each in all.
func TestTwentyDropletsInFewCalls(t *testing.T) {
	vendor := provisiontest.NewVendor(t, dosim.Options{BootDelay: time.Second})
	file, public := provisiontest.Identity(t)
	step := dropletStep(t, manyHosts(public, 20), provisiontest.Deps(t, vendor, file))
	before := len(vendor.Sim.Requests())
	require.NoError(t, provision.CreateDroplets(t.Context(), step))
	c := callsSince(vendor, before)
	require.Equal(t, 2, c.creates)
	require.Less(t, c.all, 60)
	require.Len(t, vendor.Sim.Machines(), 20)
}

// BenchmarkProvision measures a plan of 100 hosts and the making of 20, with the latencies
// of the vendor's API, and beside it one create and one question each.
func BenchmarkProvision(b *testing.B) {
	const boot, poll = 20 * time.Second, 2 * time.Second
	limits := dosim.Limits{Droplets: 200}
	file, public := provisiontest.Identity(b)
	for b.Loop() {
		vendor := provisiontest.NewVendor(b, dosim.Options{Limits: limits})
		apiLatencies(vendor)
		start := time.Now()
		stages, err := provision.Stages(b.Context(), manyHosts(public, 100), provisiontest.Deps(b, vendor, file))
		require.NoError(b, err)
		_, err = plan.Survey(b.Context(), plan.Plan{Stages: stages}, start)
		require.NoError(b, err)
		b.ReportMetric(time.Since(start).Seconds(), "plan100-s")

		make20 := func(how func(plan.Step, *provisiontest.Vendor) error) (seconds float64, c calls) {
			vendor := provisiontest.NewVendor(b, dosim.Options{Limits: limits, BootDelay: boot})
			d := provisiontest.Deps(b, vendor, file)
			d.Interval = poll
			step := dropletStep(b, manyHosts(public, 20), d)
			apiLatencies(vendor)
			before, start := len(vendor.Sim.Requests()), time.Now()
			require.NoError(b, how(step, vendor))
			return time.Since(start).Seconds(), callsSince(vendor, before)
		}
		seconds, c := make20(func(s plan.Step, _ *provisiontest.Vendor) error { return provision.CreateDroplets(b.Context(), s) })
		b.ReportMetric(seconds, "make20-s")
		b.ReportMetric(seconds/(boot.Seconds()+1.5), "vs-slowest")
		b.ReportMetric(float64(c.creates), "creates")
		b.ReportMetric(float64(c.all)/20, "calls/droplet")
		seconds, c = make20(func(s plan.Step, v *provisiontest.Vendor) error {
			return provision.CreateOneByOne(b.Context(), s, func(ctx context.Context, id int) (bool, error) { return isActive(ctx, v, id) })
		})
		b.ReportMetric(seconds, "one-by-one-s")
		b.ReportMetric(float64(c.all)/20, "one-by-one-calls/droplet")
	}
}

// isActive asks for one droplet alone.
func isActive(ctx context.Context, v *provisiontest.Vendor, id int) (bool, error) {
	all, err := v.Client.DropletsNamed(ctx, nameOf(v, id))
	return err == nil && len(all) == 1 && all[0].Status == "active", err
}

func nameOf(v *provisiontest.Vendor, id int) string {
	for _, m := range v.Sim.Machines() {
		if m.ID == id {
			return m.Name
		}
	}
	return ""
}

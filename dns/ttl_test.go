package dns_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/plan/plantest"
)

func ttls(s *site, zone string) map[string]int {
	out := map[string]int{}
	for _, r := range s.sim.Records(zone) {
		out[r.Name+" "+r.Type] = r.TTL
	}
	return out
}

func TestLowerTTLExercise(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	was := ttls(s, "example.com")
	for _, z := range s.derive(t).Zones {
		plantest.Exercise(t, dns.LowerTTL(s.ttlSpec(z)))
	}
	now := ttls(s, "example.com")
	for _, name := range []string{"direct.example.com A", "direct.example.com AAAA", "auto.example.com A", "*.blogs.example.com A"} {
		require.Equal(t, 60, now[name], name)
		delete(was, name)
		delete(now, name)
	}
	require.Equal(t, was, now, "proxied records and records that do not flip keep theirs")
}

func TestRestoreTTLExercise(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	start := s.recordsJSON(t)
	for _, z := range s.derive(t).Zones {
		before, _, err := runStep(t.Context(), dns.LowerTTL(s.ttlSpec(z)))
		require.NoError(t, err)
		back, err := dns.RestoreTTL(s.ttlSpec(z), before)
		require.NoError(t, err)
		plantest.Exercise(t, back)
	}
	require.JSONEq(t, start, s.recordsJSON(t))
}

func TestLowerTTLLeavesLowOnes(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro})
	_, err := s.sim.AddZone("example.com", simRecord("example.com", oldWeb.String(), func(r *cfsim.Record) { r.TTL = 60 }))
	require.NoError(t, err)
	spec := s.ttlSpec(s.derive(t).Zones[0])
	spec.TTL = time.Second // below what the vendor takes
	state, err := dns.LowerTTL(spec).Op.Check(t.Context())
	require.NoError(t, err)
	require.True(t, state.Done)
	require.Equal(t, "TTL 1m0s", state.Now)
}

// A TTL that somebody sets during the move is on purpose, so it stays. A record that is
// gone does not prevent the restoring of the others.
func TestRestoreTTLKeepsWhatSomebodyElseSet(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	z := s.derive(t).Zones[0]
	step := dns.LowerTTL(s.ttlSpec(z))
	before, _, err := runStep(t.Context(), step)
	require.NoError(t, err)
	s.changeElsewhere(t, z.Zone, dns.Change{ID: entryNamed(z, "auto.example.com").Record.ID, Type: "A", TTL: 120})
	deleteRecord(t, s, z.Zone, entryNamed(z, "*.blogs.example.com").Record.ID)

	back, err := dns.RestoreTTL(s.ttlSpec(z), before)
	require.NoError(t, err)
	_, _, err = runStep(t.Context(), back)
	require.NoError(t, err)
	require.Equal(t, 120, ttls(s, "example.com")["auto.example.com A"])
	require.Equal(t, 3600, ttls(s, "example.com")["direct.example.com A"])
	require.NoError(t, step.Op.Undo(t.Context(), before))
	_, err = step.Op.Check(t.Context())
	require.ErrorIs(t, err, dns.ErrRecordGone, "lowering ahead of a flip that cannot flip is refused")
}

func TestTTLThroughFaults(t *testing.T) {
	for _, kind := range []cfsim.Kind{cfsim.ServerError, cfsim.BadGateway, cfsim.NotSuccessful, cfsim.DropAfter, cfsim.DropBefore} {
		t.Run(kind.String(), func(t *testing.T) {
			s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
			start := s.recordsJSON(t)
			z := s.derive(t).Zones[0]
			fault := cfsim.Fault{Method: "POST", Path: "/zones/*/dns_records/batch", Kind: kind}
			s.sim.Inject(fault)
			before, retries, err := runStep(t.Context(), dns.LowerTTL(s.ttlSpec(z)))
			require.NoError(t, err)
			require.Equal(t, 1, retries)
			s.sim.Inject(fault)
			back, err := dns.RestoreTTL(s.ttlSpec(z), before)
			require.NoError(t, err)
			_, _, err = runStep(t.Context(), back)
			require.NoError(t, err)
			require.JSONEq(t, start, s.recordsJSON(t))
		})
	}
}

// The step is verified only when the name servers answer the low TTL: the gate counts
// from then.
func TestLowerTTLVerifyAsksTheNameServers(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro, Propagation: time.Hour}).withSampleZones(t)
	spec := s.ttlSpec(s.derive(t).Zones[0])
	spec.Propagation.Within = 50 * time.Millisecond
	step := dns.LowerTTL(spec)
	require.NoError(t, step.Op.Apply(t.Context()))
	require.ErrorContains(t, step.Op.Verify(t.Context()), "with TTL 3600, above 60")
}

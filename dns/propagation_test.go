package dns_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/report"
)

// An answer that is too long for one datagram is requested again over TCP.
func TestVerifyOfALongAnswer(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro})
	records := []cfsim.Record{simRecord("pool.example.com", oldWeb.String())}
	for i := range 60 {
		records = append(records, simRecord("pool.example.com", fmt.Sprintf("198.51.100.%d", i+1)))
	}
	_, err := s.sim.AddZone("example.com", records...)
	require.NoError(t, err)
	_, _, err = runStep(t.Context(), dns.FlipToTarget(s.flipSpec(s.derive(t).Zones[0])))
	require.NoError(t, err)
}

// A name has two addresses, and one of them stays. Name servers may still answer that
// one, but not the other.
func TestVerifyWhereANameKeepsAnAddress(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro})
	_, err := s.sim.AddZone("example.com", simRecord("pool.example.com", oldWeb.String()), simRecord("pool.example.com", elsewhere))
	require.NoError(t, err)
	spec := s.flipSpec(s.derive(t).Zones[0])
	before, _, err := runStep(t.Context(), dns.FlipToTarget(spec))
	require.NoError(t, err)
	back, err := dns.FlipToSource(spec, before)
	require.NoError(t, err)
	_, _, err = runStep(t.Context(), back)
	require.NoError(t, err)
}

func TestVerifyWithoutNameServers(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	spec := s.flipSpec(s.derive(t).Zones[0])
	spec.Propagation.Server = ""
	require.NoError(t, dns.FlipToTarget(spec).Op.Apply(t.Context()))
	for _, servers := range [][]string{nil, {"ns.invalid"}} {
		spec.Zone.NameServers = servers
		err := dns.FlipToTarget(spec).Op.Verify(t.Context())
		require.ErrorContains(t, err, "name server")
		require.Contains(t, report.Hint(err), "set dns.resolver")
	}
}

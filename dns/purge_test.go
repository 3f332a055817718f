package dns_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/report"
)

// purges returns the bodies of the purge requests that arrived.
func (s *site) purges(t *testing.T) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, r := range s.sim.Mutations() {
		if strings.HasSuffix(r.Path, "/purge_cache") {
			var body map[string]any
			require.NoError(t, json.Unmarshal(r.Body, &body))
			out = append(out, body)
		}
	}
	return out
}

func TestPurgeExercise(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanEnterprise})
	_, err := s.sim.AddZone("example.com",
		simRecord("example.com", oldWeb.String(), simProxied), simRecord("example.com", oldApp.String(), simProxied),
		simRecord("direct.example.com", oldWeb.String()), simRecord("static.example.com", elsewhere, simProxied),
		cfsim.Record{Name: "www.example.com", Type: "CNAME", Content: "example.com", Proxied: true, TTL: 1},
		cfsim.Record{Name: "plain.example.com", Type: "CNAME", Content: "example.com", TTL: 300})
	require.NoError(t, err)
	step, ok := dns.Purge(dns.PurgeSpec{Cache: s.client, Flip: s.derive(t).Zones[0]})
	require.True(t, ok)
	require.Contains(t, step.CannotUndo, "refill by themselves")
	plantest.Exercise(t, step)
	for _, body := range s.purges(t) {
		require.Equal(t, map[string]any{"hosts": []any{"example.com", "www.example.com"}}, body)
	}
}

func TestPurgeAWaveOnly(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro})
	_, err := s.sim.AddZone("example.com", simRecord("example.com", oldWeb.String(), simProxied), simRecord("app.example.com", oldApp.String(), simProxied),
		cfsim.Record{Name: "www.example.com", Type: "CNAME", Content: "example.com", Proxied: true, TTL: 1})
	require.NoError(t, err)
	z := s.derive(t, func(sel *dns.Selection) {
		sel.Waves = []dns.Wave{{Name: "first", Records: []string{"app.example.com"}}}
	}).Zones[0]
	for wave, want := range map[string][]any{"first": {"app.example.com"}, "rest": {"example.com", "www.example.com"}, "": {"app.example.com", "example.com", "www.example.com"}} {
		s.sim.ResetRequests()
		step, ok := dns.Purge(dns.PurgeSpec{Cache: s.client, Flip: z, Wave: wave})
		require.True(t, ok)
		require.NoError(t, step.Op.Apply(t.Context()))
		require.Equal(t, []map[string]any{{"hosts": want}}, s.purges(t))
	}
}

func TestPurgeEverythingBelowAWildcard(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	step, ok := dns.Purge(dns.PurgeSpec{Cache: s.client, Flip: s.derive(t).Zones[0]})
	require.True(t, ok)
	require.Equal(t, "purge everything that is cached of example.com", step.Summary)
	require.NoError(t, step.Op.Apply(t.Context()))
	require.Equal(t, []map[string]any{{"purge_everything": true}}, s.purges(t))
}

func TestPurgeIgnoresDNSOnlyRecords(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro})
	_, err := s.sim.AddZone("example.com", simRecord("example.com", oldWeb.String()))
	require.NoError(t, err)
	_, ok := dns.Purge(dns.PurgeSpec{Cache: s.client, Flip: s.derive(t).Zones[0]})
	require.False(t, ok)
}

// One request purges 100 hosts. If more than five requests are needed, a minute's worth
// on the smallest plan, the whole zone is purged at once.
func TestPurgeInChunks(t *testing.T) {
	for hosts, want := range map[int]int{250: 3, 600: 1} {
		t.Run(fmt.Sprintf("%d hosts", hosts), func(t *testing.T) {
			s := newSite(t, cfsim.Options{Plan: cfsim.PlanFree})
			var records []cfsim.Record
			for i := range hosts {
				records = append(records, simRecord(fmt.Sprintf("h%03d.example.com", i), oldWeb.String(), simProxied))
			}
			_, err := s.sim.AddZone("example.com", records...)
			require.NoError(t, err)
			step, _ := dns.Purge(dns.PurgeSpec{Cache: s.client, Flip: s.derive(t).Zones[0]})
			require.NoError(t, step.Op.Apply(t.Context()))
			require.Len(t, s.purges(t), want)
		})
	}
}

func TestPurgeThroughFaults(t *testing.T) {
	for _, kind := range []cfsim.Kind{cfsim.ServerError, cfsim.BadGateway, cfsim.NotSuccessful, cfsim.DropAfter, cfsim.DropBefore} {
		t.Run(kind.String(), func(t *testing.T) {
			s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
			step, _ := dns.Purge(dns.PurgeSpec{Cache: s.client, Flip: s.derive(t).Zones[1]})
			s.sim.Inject(cfsim.Fault{Method: "POST", Path: "/zones/*/purge_cache", Kind: kind})
			_, retries, err := runStep(t.Context(), step)
			require.NoError(t, err)
			require.Equal(t, 1, retries)
			require.Len(t, s.purges(t), 2)
		})
	}
}

// Above the plan's rate limit the step's error says how long to wait, and the Runner
// waits.
func TestPurgeBeyondTheRate(t *testing.T) {
	now := time.Now()
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanFree, Now: func() time.Time { return now }})
	_, err := s.sim.AddZone("example.com", simRecord("example.com", oldWeb.String(), simProxied))
	require.NoError(t, err)
	step, _ := dns.Purge(dns.PurgeSpec{Cache: s.client, Flip: s.derive(t).Zones[0]})
	for range 5 {
		require.NoError(t, step.Op.Apply(t.Context()))
	}
	err = step.Op.Apply(t.Context())
	var transient *report.TransientError
	require.True(t, errors.As(err, &transient), "%v", err)
	require.Greater(t, transient.After, 30*time.Second)
	require.ErrorContains(t, err, "1134")
}

package dns_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/report"
)

// lowerings is a journal.
type lowerings map[string][]dns.Lowering

func (l lowerings) Lowerings(zone string) ([]dns.Lowering, error) {
	if zone == "broken.example" {
		return nil, errors.New("journal is torn")
	}
	return l[zone], nil
}

func lowered(t *testing.T, at time.Time, ttls ...int) dns.Lowering {
	t.Helper()
	var images []dns.TTLImage
	for _, ttl := range ttls {
		images = append(images, dns.TTLImage{ID: "id", Name: "www.example.com", Type: "A", TTL: ttl, To: 60})
	}
	before, err := json.Marshal(images)
	require.NoError(t, err)
	return dns.Lowering{Before: before, At: at}
}

func TestTTLElapsedWaitsForTheLongestOldTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		journal := lowerings{"example.com": {lowered(t, start, 60, 1), lowered(t, start, 900)}, "example.org": {lowered(t, start.Add(time.Minute), 600)}}
		step := dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{comZone, orgZone, {Name: "untouched.example"}}, Lowerings: journal})
		state, err := step.Op.Check(t.Context())
		require.NoError(t, err)
		require.False(t, state.Done)
		require.Contains(t, state.Now, "15m0s longer (its TTL was 15m0s)")
		require.ErrorContains(t, step.Op.Verify(t.Context()), "has 15m0s left")

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		err = step.Op.Apply(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Contains(t, report.Hint(err), "goes on waiting")

		// a restart: nothing but the journal is left, and the rest of the wait
		again := dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{comZone, orgZone}, Lowerings: journal})
		plantest.Exercise(t, again)
		require.Equal(t, 15*time.Minute, time.Since(start))
		state, err = again.Op.Check(t.Context())
		require.NoError(t, err)
		require.True(t, state.Done)
	})
}

func TestTTLElapsedHasNothingToWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := lowerings{"example.com": {lowered(t, time.Now(), 60)}} // was low enough
		plantest.Exercise(t, dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{comZone, orgZone}, Lowerings: journal}))
	})
	early := dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{comZone}, Lowerings: lowerings{"example.com": {{}}}, Longest: time.Hour})
	require.Equal(t, time.Hour, early.Takes)
	state, err := early.Op.Check(t.Context())
	require.NoError(t, err)
	require.True(t, state.Unknown)
	require.ErrorContains(t, early.Op.Apply(t.Context()), "example.com: the TTLs have not been lowered yet")
	step := dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{{Name: "broken.example"}}, Lowerings: lowerings{}})
	require.ErrorContains(t, step.Op.Apply(t.Context()), "journal is torn")
}

// A record that was added after apply, or whose TTL somebody has raised since,
// stops the gate: no wait makes resolvers follow it.
func TestTTLElapsedStopsAtWhatWasNotLowered(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro})
	_, err := s.sim.AddZone("example.com", a("old.example.com", oldWeb.String(), func(r *cfsim.Record) { r.TTL = 60 }),
		a("new.example.com", oldWeb.String(), func(r *cfsim.Record) { r.TTL = 86400 }), a("edge.example.com", oldWeb.String(), simProxied))
	require.NoError(t, err)
	z := s.derive(t).Zones[0]
	step := dns.TTLElapsed(dns.TTLElapsedSpec{
		Zones: []dns.Zone{z.Zone}, Lowerings: lowerings{"example.com": {lowered(t, time.Now().Add(-time.Hour), 300)}},
		Records: s.client, Entries: z.Entries(), TTL: time.Minute,
	})
	state, err := step.Op.Check(t.Context())
	require.NoError(t, err)
	require.False(t, state.Done)
	require.Equal(t, "not lowered: new.example.com A has TTL 24h0m0s", state.Now)
	for _, err := range []error{step.Op.Apply(t.Context()), step.Op.Verify(t.Context())} {
		require.ErrorContains(t, err, "new.example.com A has TTL 24h0m0s")
		require.Contains(t, report.Hint(err), "migrate apply: it lowers them")
	}
	for _, e := range z.Entries() {
		if e.Record.Name == "new.example.com" {
			s.byHand(t, z.Zone, dns.Change{ID: e.Record.ID, Type: "A", TTL: 60})
		}
	}
	plantest.Exercise(t, step)
	for _, e := range z.Entries() {
		if e.Record.Name == "old.example.com" {
			s.byHand(t, z.Zone, dns.Change{ID: e.Record.ID, Type: "A", TTL: 600})
		}
	}
	require.ErrorContains(t, step.Op.Verify(t.Context()), "old.example.com A has TTL 10m0s")
}

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

// journalLowerings is a journal: the lowerings of each zone.
type journalLowerings map[string][]dns.Lowering

func (l journalLowerings) Lowerings(zone string) ([]dns.Lowering, error) {
	if zone == "broken.example" {
		return nil, errors.New("journal is torn")
	}
	return l[zone], nil
}

func lowering(t *testing.T, at time.Time, ttls ...int) dns.Lowering {
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
		journal := journalLowerings{"example.com": {lowering(t, start, 60, 1), lowering(t, start, 900)}, "example.org": {lowering(t, start.Add(time.Minute), 600)}}
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
		require.Contains(t, report.Hint(err), "it waits for the remaining")

		// after a restart only the journal is left; the wait ends when it would have
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
		journal := journalLowerings{"example.com": {lowering(t, time.Now(), 60)}} // the TTL was low enough already
		plantest.Exercise(t, dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{comZone, orgZone}, Lowerings: journal}))
	})
	early := dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{comZone}, Lowerings: journalLowerings{"example.com": {{}}}, Longest: time.Hour})
	require.Equal(t, time.Hour, early.Takes)
	state, err := early.Op.Check(t.Context())
	require.NoError(t, err)
	require.True(t, state.Unknown)
	require.ErrorContains(t, early.Op.Apply(t.Context()), "example.com: the TTLs have not been lowered yet")
	step := dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{{Name: "broken.example"}}, Lowerings: journalLowerings{}})
	require.ErrorContains(t, step.Op.Apply(t.Context()), "journal is torn")
}

// The gate fails if a record was added after apply, or had its TTL raised since: no
// wait makes resolvers follow such a record.
func TestTTLElapsedRefusesRecordsThatWereNotLowered(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro})
	_, err := s.sim.AddZone("example.com", simRecord("old.example.com", oldWeb.String(), func(r *cfsim.Record) { r.TTL = 60 }),
		simRecord("new.example.com", oldWeb.String(), func(r *cfsim.Record) { r.TTL = 86400 }), simRecord("edge.example.com", oldWeb.String(), simProxied))
	require.NoError(t, err)
	z := s.derive(t).Zones[0]
	step := dns.TTLElapsed(dns.TTLElapsedSpec{
		Zones: []dns.Zone{z.Zone}, Lowerings: journalLowerings{"example.com": {lowering(t, time.Now().Add(-time.Hour), 300)}},
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
			s.changeElsewhere(t, z.Zone, dns.Change{ID: e.Record.ID, Type: "A", TTL: 60})
		}
	}
	plantest.Exercise(t, step)
	for _, e := range z.Entries() {
		if e.Record.Name == "old.example.com" {
			s.changeElsewhere(t, z.Zone, dns.Change{ID: e.Record.ID, Type: "A", TTL: 600})
		}
	}
	require.ErrorContains(t, step.Op.Verify(t.Context()), "old.example.com A has TTL 10m0s")
}

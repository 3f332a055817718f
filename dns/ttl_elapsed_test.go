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
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
)

// lowerings is a journal.
type lowerings map[string]dns.Lowering

func (l lowerings) Lowering(zone string) (dns.Lowering, bool, error) {
	if zone == "broken.example" {
		return dns.Lowering{}, false, errors.New("journal is torn")
	}
	found, ok := l[zone]
	return found, ok, nil
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
		journal := lowerings{"example.com": lowered(t, start, 60, 1, 900), "example.org": lowered(t, start.Add(time.Minute), 600)}
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
		require.Contains(t, plan.Hint(err), "goes on waiting")

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
		journal := lowerings{"example.com": lowered(t, time.Now(), 60)} // was low enough
		plantest.Exercise(t, dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{comZone, orgZone}, Lowerings: journal}))
	})
	early := dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{comZone}, Lowerings: lowerings{"example.com": {}}, Longest: time.Hour})
	require.Equal(t, time.Hour, early.Takes)
	state, err := early.Op.Check(t.Context())
	require.NoError(t, err)
	require.True(t, state.Unknown)
	require.ErrorContains(t, early.Op.Apply(t.Context()), "example.com: the TTLs have not been lowered yet")
	step := dns.TTLElapsed(dns.TTLElapsedSpec{Zones: []dns.Zone{{Name: "broken.example"}}, Lowerings: lowerings{}})
	require.ErrorContains(t, step.Op.Apply(t.Context()), "journal is torn")
}

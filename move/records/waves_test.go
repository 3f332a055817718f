package records

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/move/movetest"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

// openSite is the tests' site with its records.
func openSite(t *testing.T) (*Records, *cfsim.Sim) {
	t.Helper()
	site, sim := movetest.Site(t)
	r, err := Open(site)
	require.NoError(t, err)
	return r, sim
}

// flippedHistory is the journal after the flips of two waves.
func flippedHistory(t *testing.T) *plan.History {
	t.Helper()
	var events []plan.Event
	for _, f := range []struct{ wave, name string }{{"canary", "canary.blog.test"}, {"rest", "www.blog.test"}} {
		before, err := json.Marshal([]dns.Image{{ID: f.wave, Name: f.name, Type: "A", Proxied: true, Content: "192.0.2.10", To: "203.0.113.7"}})
		require.NoError(t, err)
		key := verb.FlipKey("blog.test", f.wave)
		events = append(events, plan.Event{Time: time.Now(), Kind: verb.Cutover, Step: key, Type: plan.StepStarted, Before: before},
			plan.Event{Time: time.Now(), Kind: verb.Cutover, Step: key, Type: plan.StepVerified})
	}
	for i := range events {
		events[i].Seq = i + 1
	}
	return plan.Fold(events)
}

func TestEveryWaveIsProbedFlippedAndPurged(t *testing.T) {
	r, _ := openSite(t)
	d, err := r.Derive(t.Context())
	require.NoError(t, err)
	stages := r.Flips(d)
	require.Equal(t, []string{"healthy-canary", "flip-canary", "purge-canary", "healthy-rest", "flip-rest", "purge-rest"}, movetest.Names(stages))
	require.Equal(t, "purge what is cached of 1 hosts of blog.test: canary.blog.test", stages[2].Steps[0].Summary)
	require.Equal(t, "the target answers for http://canary.blog.test/healthz", stages[0].Steps[0].Summary, "asked several times just before")
	require.Equal(t, "the target answers 3 times in a row for http://www.blog.test/healthz", stages[3].Steps[0].Summary)
	require.Len(t, stages[5].Steps, 2, "a name of another zone follows")
	require.Equal(t, "purge what is cached of 1 hosts of brand.test: brand.test", stages[5].Steps[1].Summary)

	for i, wave := range []string{"canary", "canary", "canary", "rest", "rest", "rest"} {
		require.Equal(t, wave, stages[i].Wave)
	}
	r.site.Config.DNS.Purge, r.site.Config.Applications = false, nil
	stages = r.Flips(d)
	require.Equal(t, []string{"flip-canary", "flip-rest"}, movetest.Names(stages))
}

// The way back learns from the journal what to probe, to flip and to purge, whatever
// the zones look like by then.
func TestTheWayBackNeedsNoDerivation(t *testing.T) {
	r, sim := openSite(t)
	for _, record := range sim.Records("blog.test") {
		zones, err := r.zones.Zones(t.Context(), []string{"blog.test"})
		require.NoError(t, err)
		require.NoError(t, r.zones.Change(t.Context(), zones[0], []dns.Change{{ID: record.ID, Type: "A", Content: "198.51.100.99"}}))
	}
	_, err := r.Derive(t.Context())
	require.Error(t, err, "nothing has a source host's address")

	h := flippedHistory(t)
	d, err := r.Journaled(t.Context(), h)
	require.NoError(t, err)
	entries := entriesOf(d)
	require.Len(t, entries, 2)
	require.Equal(t, netip.MustParseAddr("192.0.2.10"), entries[0].Old)
	require.Equal(t, "http://www.blog.test/healthz", r.probes(entriesOf(d))[0].URL)
	stages, err := r.FlipsBack(d, h, false)
	require.NoError(t, err)
	require.Equal(t, []string{"healthy-rest", "flip-rest", "purge-rest", "healthy-canary", "flip-canary", "purge-canary"}, movetest.Names(stages))
	require.Equal(t, "the source answers for http://www.blog.test/healthz", stages[0].Steps[0].Summary)
	require.Equal(t, "flip-back:blog.test:rest", stages[1].Steps[0].Name)
	require.Len(t, stages[2].Steps, 2)
	require.Equal(t, "purge what is cached of 1 hosts of brand.test: brand.test", stages[2].Steps[1].Summary)

	r.site.Config.DNS.Zones = []string{"blog.test", "not-ours.test"}
	d, err = r.Journaled(t.Context(), h)
	require.NoError(t, err, "the configuration's zones are no condition of the way back")
	require.Len(t, d.Zones, 1)
}

func TestNothingFlippedNothingToFlipBack(t *testing.T) {
	r, _ := openSite(t)
	h := plan.Fold(nil)
	d, err := r.Journaled(t.Context(), h)
	require.NoError(t, err)
	stages, err := r.FlipsBack(d, h, false)
	require.NoError(t, err)
	require.Empty(t, stages)
}

// I4 is promised for what is probed. Every other record is named.
func TestEveryRecordWithoutAProbeIsAHazard(t *testing.T) {
	r, _ := openSite(t)
	entry := func(name, kind, old string) dns.Entry {
		return dns.Entry{Record: dns.Record{Name: name, Type: kind}, Old: netip.MustParseAddr(old)}
	}
	covered := entry("www.blog.test", "A", "192.0.2.10")
	require.Empty(t, r.unprobed([]dns.Entry{covered}))
	hazards := r.unprobed([]dns.Entry{covered, entry("*.blog.test", "A", "192.0.2.10"), entry("www.blog.test", "AAAA", "2001:db8::10"), entry("db.blog.test", "A", "192.0.2.11")})
	require.Len(t, hazards, 1)
	require.Contains(t, hazards[0].Text, "answers for *.blog.test A, www.blog.test AAAA, db.blog.test A: no health URL")
}

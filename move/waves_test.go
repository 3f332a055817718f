package move

import (
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/dns/cloudflare"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/secret"
)

// waveSite is a move whose zones are at a simulated vendor: a canary, the rest,
// and a second zone in which a name only follows.
func waveSite(t *testing.T) (*Move, *cfsim.Sim) {
	t.Helper()
	sim := cfsim.New(cfsim.Options{Token: "t", Plan: cfsim.PlanPro})
	for zone, records := range map[string][]cfsim.Record{
		"blog.test": {
			{Type: "A", Name: "www.blog.test", Content: "192.0.2.10", TTL: 1, Proxied: true},
			{Type: "A", Name: "canary.blog.test", Content: "192.0.2.10", TTL: 1, Proxied: true},
		},
		"brand.test": {{Type: "CNAME", Name: "brand.test", Content: "www.blog.test", TTL: 1, Proxied: true}},
	} {
		_, err := sim.AddZone(zone, records...)
		require.NoError(t, err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	client, err := cloudflare.New(cloudflare.Config{Token: secret.New("t"), Endpoint: server.URL + "/client/v4/"})
	require.NoError(t, err)
	dir, err := provision.OpenDirectory(t.TempDir(), 22)
	require.NoError(t, err)
	return &Move{zones: client, directory: dir, Config: &config.Config{
		Hosts:        []config.Host{{Name: "web1", Address: config.Addr{Addr: netip.MustParseAddr("192.0.2.10")}}},
		Applications: []config.Application{{Name: "blog", Hosts: []string{"web1"}, Health: "http://{address}/healthz"}},
		DNS:          config.DNS{Zones: []string{"blog.test", "Brand.test"}, Purge: true},
		Cutover:      config.Cutover{Waves: []config.Wave{{Name: "canary", Records: []string{"canary.blog.test"}}}},
	}}, sim
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

func stageNames(stages []plan.Stage) (names []string) {
	for _, s := range stages {
		names = append(names, s.Name)
	}
	return names
}

func TestEveryWaveIsProbedFlippedAndPurged(t *testing.T) {
	m, _ := waveSite(t)
	d, err := m.records(t.Context())
	require.NoError(t, err)
	stages := m.flipsAndPurges(d)
	require.Equal(t, []string{"healthy-canary", "flip-canary", "purge-canary", "healthy-rest", "flip-rest", "purge-rest"}, stageNames(stages))
	require.Equal(t, "purge what is cached of 1 hosts of blog.test: canary.blog.test", stages[2].Steps[0].Summary)
	require.Equal(t, "the target answers for http://canary.blog.test/healthz", stages[0].Steps[0].Summary, "asked several times just before")
	require.Equal(t, "the target answers 3 times in a row for http://www.blog.test/healthz", stages[3].Steps[0].Summary)
	require.Len(t, stages[5].Steps, 2, "a name of another zone follows")
	require.Equal(t, "purge what is cached of 1 hosts of brand.test: brand.test", stages[5].Steps[1].Summary)

	last := func(o RunOptions) string {
		stage, err := stopAfter(plan.Plan{Stages: stages}, o)
		require.NoError(t, err)
		return stage
	}
	require.Equal(t, "purge-canary", last(RunOptions{Wave: "canary"}), "cutover --wave canary purges what it flipped")
	require.Equal(t, "healthy-rest", last(RunOptions{To: "healthy-rest"}))
	m.Config.DNS.Purge, m.Config.Applications = false, nil
	stages = m.flipsAndPurges(d)
	require.Equal(t, []string{"flip-canary", "flip-rest"}, stageNames(stages))
	require.Equal(t, "flip-canary", last(RunOptions{Wave: "canary"}))
}

// The way back knows from the journal what to probe, to flip and to purge,
// whatever the zones have become.
func TestTheWayBackNeedsNoDerivation(t *testing.T) {
	m, sim := waveSite(t)
	for _, r := range sim.Records("blog.test") {
		zones, err := m.zones.Zones(t.Context(), []string{"blog.test"})
		require.NoError(t, err)
		require.NoError(t, m.zones.Change(t.Context(), zones[0], []dns.Change{{ID: r.ID, Type: "A", Content: "198.51.100.99"}}))
	}
	_, err := m.records(t.Context())
	require.Error(t, err, "nothing has a source host's address")

	h := flippedHistory(t)
	entries, err := m.journaledEntries(h)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, netip.MustParseAddr("192.0.2.10"), entries[0].Old)

	d, err := m.journaled(t.Context(), h)
	require.NoError(t, err)
	require.Equal(t, "http://www.blog.test/healthz", m.probes(entriesOf(d))[0].URL)
	stages, err := m.flipsBackAndPurges(d, h, false)
	require.NoError(t, err)
	require.Equal(t, []string{"healthy-rest", "flip-rest", "purge-rest", "healthy-canary", "flip-canary", "purge-canary"}, stageNames(stages))
	require.Equal(t, "the source answers for http://www.blog.test/healthz", stages[0].Steps[0].Summary)
	require.Equal(t, "flip-back:blog.test:rest", stages[1].Steps[0].Name)
	require.Len(t, stages[2].Steps, 2)
	require.Equal(t, "purge what is cached of 1 hosts of brand.test: brand.test", stages[2].Steps[1].Summary)

	m.Config.DNS.Zones = []string{"blog.test", "not-ours.test"}
	d, err = m.journaled(t.Context(), h)
	require.NoError(t, err, "the configuration's zones are no condition of the way back")
	require.Len(t, d.Zones, 1)
}

func TestNothingFlippedNothingToFlipBack(t *testing.T) {
	m, _ := waveSite(t)
	h := plan.Fold(nil)
	d, err := m.journaled(t.Context(), h)
	require.NoError(t, err)
	stages, err := m.flipsBackAndPurges(d, h, false)
	require.NoError(t, err)
	require.Empty(t, stages)
}

// I4 is promised for what is probed; of the rest every record is named.
func TestEveryRecordWithoutAProbeIsAHazard(t *testing.T) {
	m, _ := waveSite(t)
	entry := func(name, kind, old string) dns.Entry {
		return dns.Entry{Record: dns.Record{Name: name, Type: kind}, Old: netip.MustParseAddr(old)}
	}
	covered := entry("www.blog.test", "A", "192.0.2.10")
	require.Empty(t, m.unprobed([]dns.Entry{covered}))
	hazards := m.unprobed([]dns.Entry{covered, entry("*.blog.test", "A", "192.0.2.10"), entry("www.blog.test", "AAAA", "2001:db8::10"), entry("db.blog.test", "A", "192.0.2.11")})
	require.Len(t, hazards, 1)
	require.Contains(t, hazards[0].Text, "answers for *.blog.test A, www.blog.test AAAA, db.blog.test A: no health URL")
}

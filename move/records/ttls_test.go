package records

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

// lowerByJournal runs the ttl stage as apply does, with a real journal.
func lowerByJournal(t *testing.T, r *Records) (steps int) {
	t.Helper()
	j, err := plan.OpenJournal(r.site.State.JournalPath(), "tester")
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	stage, err := r.LowerTTLs(t.Context())
	require.NoError(t, err)
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), plan.Plan{Site: "blog", Kind: verb.Apply, Stages: []plan.Stage{stage}}, plan.RunOptions{}))
	return len(stage.Steps)
}

// A record that is added, or raised, after apply is lowered by the next apply,
// waited for by its own old TTL, and restored to it by finish.
func TestWhatIsAddedOrRaisedAfterApplyIsLoweredAgain(t *testing.T) {
	r, sim := openSite(t)
	r.site.Config.DNS.Zones, r.site.Config.DNS.TTL = []string{"direct.test"}, time.Minute
	r.site.Config.Cutover.Waves = nil
	names, err := sim.ServeDNS("127.0.0.1:0", cfsim.DNSOptions{})
	require.NoError(t, err)
	defer names.Close() //nolint:errcheck // of a test
	r.site.Config.DNS.Resolver = names.Addr()
	_, err = sim.AddZone("direct.test", cfsim.Record{Type: "A", Name: "a.direct.test", Content: "192.0.2.10", TTL: 300},
		cfsim.Record{Type: "A", Name: "b.direct.test", Content: "203.0.113.99", TTL: 86400})
	require.NoError(t, err)
	zones, err := r.zones.Zones(t.Context(), []string{"direct.test"})
	require.NoError(t, err)
	id := map[string]string{}
	for _, r := range sim.Records("direct.test") {
		id[r.Name] = r.ID
	}
	byHand := func(name string, change dns.Change) {
		change.ID, change.Type = id[name], "A"
		require.NoError(t, r.zones.Change(t.Context(), zones[0], []dns.Change{change}))
	}
	gate := func() string {
		d, err := r.Derive(t.Context())
		require.NoError(t, err)
		state, err := r.TTLGate(d).Op.Check(t.Context())
		require.NoError(t, err)
		return state.Now
	}
	ttls := func() map[string]int {
		out := map[string]int{}
		for _, r := range sim.Records("direct.test") {
			out[r.Name] = r.TTL
		}
		return out
	}

	require.Equal(t, 1, lowerByJournal(t, r))
	require.Contains(t, gate(), "its TTL was 5m0s")
	byHand("b.direct.test", dns.Change{Content: "192.0.2.10"})
	require.Equal(t, "not lowered: b.direct.test A has TTL 24h0m0s", gate(), "added after apply")
	require.Equal(t, 2, lowerByJournal(t, r))
	require.Contains(t, gate(), "b.direct.test A for up to 24h0m0s longer")
	byHand("a.direct.test", dns.Change{TTL: 7200})
	require.Equal(t, "not lowered: a.direct.test A has TTL 2h0m0s", gate(), "raised after apply")
	require.Equal(t, 3, lowerByJournal(t, r))
	require.Equal(t, map[string]int{"a.direct.test": 60, "b.direct.test": 60}, ttls())
	require.Equal(t, 3, lowerByJournal(t, r), "the plan is stable")

	h, err := r.site.State.History()
	require.NoError(t, err)
	stage, err := r.RestoreTTLs(t.Context(), h)
	require.NoError(t, err)
	require.Len(t, stage.Steps, 3)
	for _, step := range stage.Steps {
		require.NoError(t, step.Op.Apply(t.Context()))
	}
	require.Equal(t, map[string]int{"a.direct.test": 7200, "b.direct.test": 86400}, ttls(), "what they were last")
}

func TestADamagedBeforeImageOfTTLsIsAnError(t *testing.T) {
	r, _ := openSite(t)
	line, err := json.Marshal(plan.Event{Seq: 1, Time: time.Now(), Kind: verb.Apply, Step: plan.Key{Kind: verb.Apply, Stage: verb.StageTTL, Step: "ttl:blog.test"}, Type: plan.StepStarted, Before: json.RawMessage(`{}`)})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(r.site.State.JournalPath(), append(line, '\n'), 0o600))
	_, err = r.LowerTTLs(t.Context())
	require.ErrorContains(t, err, "TTLs of blog.test: read before-image")
}

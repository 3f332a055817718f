package records

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

// A record that is added between two runs has no before-image, so a rollback could
// not put it back.
func TestAWaveThatHasBegunTakesNoNewRecords(t *testing.T) {
	record := func(id string) dns.Entry { return dns.Entry{Record: dns.Record{ID: id, Name: id + ".blog.test"}} }
	d := dns.Derivation{
		Waves: []string{"canary", "rest"},
		Zones: []dns.ZoneFlip{{Zone: dns.Zone{Name: "blog.test"}, Waves: []dns.WaveFlip{
			{Wave: "canary", Entries: []dns.Entry{record("a"), record("new")}},
			{Wave: "rest", Entries: []dns.Entry{record("b"), record("newer")}},
		}}},
	}
	before, err := json.Marshal([]dns.Image{{ID: "a"}, {ID: "gone"}})
	require.NoError(t, err)
	h := plan.Fold([]plan.Event{{Seq: 1, Kind: verb.Cutover, Type: plan.RunStarted}, {
		Seq: 2, Kind: verb.Cutover, Type: plan.StepStarted, Before: before, Step: verb.FlipKey("blog.test", "canary"),
	}})
	d, err = AsBegun(t.Context(), d, h)
	require.NoError(t, err)
	require.Equal(t, []dns.Entry{record("a")}, d.Zones[0].Waves[0].Entries)
	require.Equal(t, []dns.Entry{record("b"), record("newer")}, d.Zones[0].Waves[1].Entries, "this wave was not begun")
}

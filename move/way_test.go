package move

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/movetest"
	"github.com/dcmigrate/migrate/move/plans"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// parked is a way that only the tests know: the clients' requests are parked
// before the fence, and let go once the other side has taken over.
type parked struct{ way.Fence }

func (parked) Traits() way.Traits {
	return way.Traits{
		Name: "parked", Writers: "one writer at a time", Notice: "requests wait for the length of the switch",
		Setting: "requests wait while the writers change sides.", OneWriter: true, NothingFails: true, TakesOver: "let-go",
		Runbook: way.Runbook{
			Cutover:   "- Requests are parked for at most {{.Budget}}.",
			BeforeDNS: "Let the requests go:\n{{range .Databases}}\n{{template \"open\" .}}\n{{- end}}",
			AfterDNS:  "Then take the parking away.",
		},
	}
}

func (p parked) Switch(s way.Switch) []plan.Stage {
	stages := p.Fence.Switch(s)
	at := slices.IndexFunc(stages, func(s plan.Stage) bool { return s.Name == "guard" })
	stages = slices.Insert(stages, at, plan.Stage{Name: "park", Critical: true})
	at = slices.IndexFunc(stages, func(s plan.Stage) bool { return s.Name == verb.StageHandover })
	return slices.Insert(stages, at+1, plan.Stage{Name: "let-go", NoStop: true})
}

func (parked) Finish(p way.Parts) []plan.Step {
	return p.Pairs.Steps(func(replication.Pair) plan.Step { return plan.Step{Name: "remove-parking"} })
}

// TestAWayIsOneValue: a way that the product does not know is validated, planned,
// explained and finished like its own ways.
func TestAWayIsOneValue(t *testing.T) {
	ways := append(way.All(), parked{})
	written, err := config.Init{Site: "blog", Way: "parked", Ways: ways.Settings()}.Render()
	require.NoError(t, err)
	require.Contains(t, string(written), "  # parked: requests wait while the writers change sides.\n  way: parked\n")
	_, err = config.Init{Site: "blog", Way: "parked", Ways: way.All().Settings()}.Render()
	require.EqualError(t, err, `unknown way "parked"`)

	cfg, _ := movetest.Config(t)
	cfg.Cutover.Way, cfg.Cutover.Budget, cfg.Databases = "parked", 10*time.Second, []config.Database{{Name: "main", Host: "web1"}}
	_, err = Open(cfg, way.All())
	require.ErrorContains(t, err, `there is no way "parked"`)
	m, err := Open(cfg, ways)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	built := func(kind string) (names string, stages []plan.Stage) {
		p, err := m.plans.Plan(t.Context(), kind, plans.Options{})
		require.NoError(t, err)
		return strings.Join(movetest.Names(p.Stages), " "), p.Stages
	}

	const order = "events-off park guard fence drain handover let-go events-on"
	cutover, _ := built(verb.Cutover)
	require.Contains(t, cutover, "ready gates "+order+" healthy-canary flip-canary")
	back, _ := built(verb.Rollback)
	require.Contains(t, back, "gates "+order)
	require.Contains(t, strings.Join(movetest.Names(m.plans.Abandoned().Stages), " "), order)

	_, finish := built(verb.Finish)
	forget := finish[slices.Index(movetest.Names(finish), "forget")]
	require.Equal(t, "main:remove-parking", forget.Steps[len(forget.Steps)-1].Name)

	letGo := plan.Event{Seq: 1, Kind: verb.Cutover, Type: plan.StepStarted, Step: plan.Key{Kind: verb.Cutover, Stage: "let-go", Step: "main"}}
	require.True(t, m.plans.HandedOver(plan.Fold([]plan.Event{letGo})))
	require.False(t, way.All().HandedOver(plan.Fold([]plan.Event{letGo})))

	var book strings.Builder
	require.NoError(t, m.Runbook(t.Context(), &book))
	for _, text := range []string{
		"Way: **parked** – one writer at a time; requests wait for the length of the switch.",
		"when a gate does not hold.\n   - Requests are parked for at most 10s.\n   - If the terminal",
		"Let the requests go:\n\n- main, old server",
		"\n\nThen take the parking away.\n\n## The end",
	} {
		require.Contains(t, book.String(), text)
	}
}

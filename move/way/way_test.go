package way

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/preflight"
)

// mainPair is a pair whose servers do not exist.
func mainPair() replication.Pair {
	return replication.Pair{
		Name: "main", Source: replication.NewServer(replication.ServerConfig{Name: "a", Side: replication.Source}),
		Target: replication.NewServer(replication.ServerConfig{Name: "b", Side: replication.Target}),
	}
}

func names(stages []plan.Stage) (out []string) {
	for _, s := range stages {
		out = append(out, s.Name)
	}
	return out
}

func TestDualReportsConflictsBeforeItDrains(t *testing.T) {
	s := Switch{Parts: Parts{Pairs: []replication.Pair{mainPair()}}, Enter: replication.Target}
	require.Equal(t, []string{"stragglers", "fence", "conflicts", "drain"}, names(s.leave()))
	require.Equal(t, "main:window", s.window().Steps[0].Name)
	require.Empty(t, Fence{}.Finish(s.Parts), "way fence reads no binlog")
	require.Equal(t, "main:readers", Dual{}.Finish(s.Parts)[0].Name)
}

// Clients' writes fail from the fence to the end of the flips. Up to the hand-over a
// failure takes everything back; after it no signal stops the run.
func TestFenceIsCriticalThenDoesNotStop(t *testing.T) {
	s := Switch{
		Parts: Parts{Pairs: []replication.Pair{mainPair()}, Cutover: config.Cutover{Budget: 8 * time.Second}}, Enter: replication.Target,
		Gates: plan.Stage{Name: "gates"}, Flips: []plan.Stage{{Name: "flip-rest"}},
	}
	var critical, noStop []string
	for _, stage := range (Fence{}).Switch(s) {
		if stage.Critical {
			critical = append(critical, stage.Name)
		}
		if stage.NoStop {
			noStop = append(noStop, stage.Name)
		}
	}
	require.Equal(t, []string{"events-off", "guard", "fence", "drain", "handover"}, critical)
	require.Equal(t, []string{"events-on", "flip-rest"}, noStop)
	require.False(t, s.Flips[0].NoStop, "what was passed in stays as it is")
	for _, stage := range (Dual{}).Switch(s) {
		require.False(t, stage.Critical || stage.NoStop, "%s: both sides take writes", stage.Name)
	}
}

func TestPreflightAsksWhatTheWayNeeds(t *testing.T) {
	c := config.Cutover{Budget: 8 * time.Second}
	var fence, dual preflight.Options
	Fence{}.Preflight(&fence, c)
	Dual{}.Preflight(&dual, c)
	require.Equal(t, preflight.Options{FenceWait: 2 * time.Second}, fence)
	require.Equal(t, preflight.Options{Dual: true}, dual)
}

// A cutover has handed over once a step of the stage that takes over has started, or a
// flip, whichever way the configuration names now.
func TestTheJournalSaysWhetherACutoverHandedOver(t *testing.T) {
	after := func(key plan.Key, gate bool) bool {
		return All().HandedOver(plan.Fold([]plan.Event{{Seq: 1, Kind: key.Kind, Step: key, Type: plan.StepStarted, Gate: gate}}))
	}
	handover := plan.Key{Kind: verb.Cutover, Stage: verb.StageHandover, Step: "main:handover"}
	require.True(t, after(handover, false))
	require.False(t, after(handover, true))
	require.True(t, after(verb.FlipKey("blog.test", "rest"), false))
	require.False(t, after(plan.Key{Kind: verb.Cutover, Stage: "fence", Step: "main:fence-source"}, false))
	handover.Kind = verb.Rollback
	require.False(t, after(handover, false))
	require.False(t, Ways{Dual{}}.HandedOver(plan.Fold(nil)))
}

func TestWaysAreFoundByName(t *testing.T) {
	require.Equal(t, []string{"fence", "dual"}, All().Names())
	for _, w := range All() {
		found, ok := All().Named(w.Traits().Name)
		require.True(t, ok)
		require.Equal(t, w, found)
	}
	_, ok := All().Named("none")
	require.False(t, ok)
}

// A rollback must come to its end without the forward link: only a cutover watches the
// link back at the end. The gates of both hold until the stage that commits.
func TestOnlyACutoverWatchesTheLinkBack(t *testing.T) {
	for _, w := range All() {
		for side, watches := range map[replication.Side]bool{replication.Target: true, replication.Source: false} {
			stages := w.Switch(Switch{Parts: Parts{Pairs: []replication.Pair{mainPair()}}, Enter: side, Gates: plan.Stage{Name: "gates"}})
			require.Equal(t, watches, slices.Contains(names(stages), "watch"), "%s to the %s", w.Traits().Name, side)
			var commits []string
			for _, s := range stages {
				if s.Commits {
					commits = append(commits, s.Name)
				}
			}
			require.Len(t, commits, 1, w.Traits().Name)
		}
	}
}

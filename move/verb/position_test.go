package verb

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

func events(list ...plan.Event) *plan.History {
	for i := range list {
		list[i].Seq = i + 1
	}
	return plan.Fold(list)
}

func run(kind string, reverts string, steps ...plan.Event) []plan.Event {
	out := []plan.Event{{Kind: kind, Type: plan.RunStarted, Run: kind}}
	out = append(out, steps...)
	return append(out, plan.Event{Kind: kind, Type: plan.RunFinished, Reverts: reverts})
}

func did(kind, step string) plan.Event {
	return plan.Event{Kind: kind, Type: plan.StepStarted, Step: plan.Key{Kind: kind, Stage: "s", Step: step}}
}

func TestPositionFollowsTheJournal(t *testing.T) {
	var log []plan.Event
	add := func(e ...plan.Event) Position {
		log = append(log, e...)
		return PositionOf(events(log...))
	}
	require.Equal(t, NotStarted, add())
	require.Equal(t, Applying, add(run(Apply, "", did(Apply, "x"))[:2]...))
	require.Equal(t, Applied, add(plan.Event{Kind: Apply, Type: plan.RunFinished}))
	gate := did(Cutover, "gate")
	gate.Gate = true
	require.Equal(t, Applied, add(plan.Event{Kind: Cutover, Type: plan.RunStarted}, gate), "a gate changes nothing")
	require.Equal(t, SwitchingOver, add(did(Cutover, "fence")))
	require.Equal(t, OnTarget, add(plan.Event{Kind: Cutover, Type: plan.RunFinished, Reverts: Rollback}))
	require.Equal(t, SwitchingBack, add(plan.Event{Kind: Rollback, Type: plan.RunStarted}, did(Rollback, "fence")))
	require.Equal(t, Applied, add(plan.Event{Kind: Rollback, Type: plan.RunFinished, Reverts: Cutover}))
	require.Equal(t, SwitchingOver, add(plan.Event{Kind: Cutover, Type: plan.RunStarted}, did(Cutover, "fence")), "again")
	require.Equal(t, OnTarget, add(plan.Event{Kind: Cutover, Type: plan.RunFinished, Reverts: Rollback}))
	require.Equal(t, Finishing, add(plan.Event{Kind: Finish, Type: plan.RunStarted}, did(Finish, "unlink")))
	require.Equal(t, Finished, add(plan.Event{Kind: Finish, Type: plan.RunFinished}))
}

func TestVerbsAreRefusedWhereTheyDoNotFit(t *testing.T) {
	for at, fits := range map[Position]string{
		NotStarted: "apply", Applying: "apply", Applied: "apply cutover", SwitchingOver: "cutover rollback",
		OnTarget: "cutover rollback finish", SwitchingBack: "rollback", Finishing: "finish", Finished: "finish",
	} {
		for _, kind := range []string{Apply, Cutover, Rollback, Finish} {
			err := Allowed(kind, at)
			if strings.Contains(fits, kind) {
				require.NoError(t, err, "%s at %s", kind, at)
				continue
			}
			var refused *RefusedError
			require.ErrorAs(t, err, &refused, "%s at %s", kind, at)
			require.NotEmpty(t, report.Hint(err))
		}
	}
}

package move

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

func TestARunStopsAfterAStageOrAWave(t *testing.T) {
	stage := func(name, wave string) plan.Stage { return plan.Stage{Name: name, Wave: wave} }
	p := plan.Plan{Kind: "cutover", Stages: []plan.Stage{
		stage("gates", ""), stage("healthy-canary", "canary"), stage("flip-canary", "canary"), stage("purge-canary", "canary"), stage("flip-rest", "rest"),
	}}
	for want, o := range map[string]RunOptions{
		"":             {},
		"gates":        {To: "gates"},
		"flip-canary":  {To: "flip-canary"},
		"purge-canary": {Wave: "canary"}, // what the wave flipped is purged, too
		"flip-rest":    {Wave: "rest"},   // nothing to purge
	} {
		got, err := stopAfter(p, o)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	var missing *NoStageError
	_, err := stopAfter(p, RunOptions{To: "nowhere"})
	require.ErrorAs(t, err, &missing)
	require.EqualError(t, err, `cutover has no stage "nowhere"`)
	require.Equal(t, "stages are gates, healthy-canary, flip-canary, purge-canary, flip-rest", report.Hint(err))
	_, err = stopAfter(p, RunOptions{Wave: "canry"})
	require.EqualError(t, err, `cutover has no wave "canry"`)
	require.Equal(t, "waves are canary, rest", report.Hint(err))
}

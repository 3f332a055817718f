package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
)

func TestKeyIsKindStageAndStep(t *testing.T) {
	for text, want := range map[string]plan.Key{
		"":                                 {},
		"cutover/flip-rest/flip:a.io:rest": {Kind: "cutover", Stage: "flip-rest", Step: "flip:a.io:rest"},
		"apply/files/web1:/opt/blog":       {Kind: "apply", Stage: "files", Step: "web1:/opt/blog"},
	} {
		var got plan.Key
		require.NoError(t, got.UnmarshalText([]byte(text)))
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
		require.Equal(t, text == "", got.IsZero())
	}
	for _, text := range []string{"cutover", "cutover/flip"} {
		_, err := plan.ParseKey(text)
		require.EqualError(t, err, `"`+text+`" is not kind/stage/step`)
	}
}

// The journal's and the review's formats hold the key as one string, and an
// event without a step has none.
func TestKeyIsOneStringInTheJournal(t *testing.T) {
	key := plan.Key{Kind: "apply", Stage: "seed", Step: "main:seed"}
	line, err := json.Marshal(plan.Event{Kind: "apply", Step: key, Type: plan.StepStarted})
	require.NoError(t, err)
	require.Contains(t, string(line), `"kind":"apply","step":"apply/seed/main:seed","event":"started"`)
	var back plan.Event
	require.NoError(t, json.Unmarshal(line, &back))
	require.Equal(t, key, back.Step)
	line, err = json.Marshal(plan.Event{Kind: "apply", Type: plan.RunStarted})
	require.NoError(t, err)
	require.NotContains(t, string(line), "step")
	line, err = json.Marshal(map[plan.Key]string{key: "done"})
	require.NoError(t, err)
	require.JSONEq(t, `{"apply/seed/main:seed":"done"}`, string(line))
}

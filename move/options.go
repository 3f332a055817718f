package move

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/move/plans"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// RunOptions are what the operator chose for one verb.
type RunOptions struct {
	plans.Options
	To   string // the last stage to run
	Wave string // cutover: the last wave to flip
	// TakeOver makes this controller lead, though another one does.
	TakeOver bool
	Stop     <-chan struct{}   // closed by the first signal
	Watch    func(plan.Event)  // reader of the journal's events
	Ready    func(p plan.Plan) // called once the plan stands, before anything runs; may be nil
	_        struct{}          // keyed fields only
}

// NoStageError is a stage or wave to stop after that the plan does not have. A typing
// error must not run the whole plan.
type NoStageError struct{ Text string }

func (e *NoStageError) Error() string { return e.Text }

// stopAfter returns the name of the stage after which the run is to stop, or "": the
// stage that o names, or the last one of its wave, so that the wave's caches are
// purged, too. For one that p does not have it returns a *NoStageError.
func stopAfter(p plan.Plan, o RunOptions) (stage string, err error) {
	var stages, waves []string
	for _, s := range p.Stages {
		stages = append(stages, s.Name)
		if s.Wave != "" && !slices.Contains(waves, s.Wave) {
			waves = append(waves, s.Wave)
		}
		if o.Wave != "" && s.Wave == o.Wave {
			stage = s.Name
		}
	}
	switch {
	case o.Wave != "" && stage == "":
		return "", report.WithHint(&NoStageError{fmt.Sprintf("%s has no wave %q", p.Kind, o.Wave)}, "waves are %s", strings.Join(waves, ", "))
	case o.Wave != "":
		return stage, nil
	case o.To != "" && !slices.Contains(stages, o.To):
		return "", report.WithHint(&NoStageError{fmt.Sprintf("%s has no stage %q", p.Kind, o.To)}, "stages are %s", strings.Join(stages, ", "))
	}
	return o.To, nil
}

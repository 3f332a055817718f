package plans

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/plan"
)

// farOp can be checked only once something is made, and says before what it expects.
type farOp struct {
	plan.Op
	refuses error
}

func (farOp) Check(context.Context) (plan.State, error) { return plan.State{Now: "there"}, nil }

func (o farOp) Expect(context.Context) (plan.State, error) {
	return plan.State{Unknown: true, Want: "a copy", Hazards: []plan.Hazard{{Text: "beware"}}}, o.refuses
}

var errRefuses = errors.New("cannot be had")

// A plan says how a pair is seeded before the target exists.
func TestAStepThatWaitsSaysWhatItExpects(t *testing.T) {
	p := &Planner{site: &wiring.Site{Config: &config.Config{}, State: state.At(filepath.Join(t.TempDir(), "state"))}}
	stages := p.afterStage(plan.Stage{Name: "hosts", Steps: []plan.Step{{Name: "db1"}}},
		plan.Stage{Name: "seed", Steps: []plan.Step{{Name: "far", Op: farOp{}}, {Name: "never", Op: farOp{refuses: errRefuses}}}})
	seen, err := stages[0].Steps[0].Op.Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, plan.State{Unknown: true, Now: "known after stage hosts", Want: "a copy", Hazards: []plan.Hazard{{Text: "beware"}}}, seen)
	_, err = stages[0].Steps[1].Op.Check(t.Context())
	require.ErrorIs(t, err, errRefuses, "what cannot be had is refused before anything is made")
}

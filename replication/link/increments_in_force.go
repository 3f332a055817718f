package link

import (
	"context"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
)

// IncrementsInForce returns the gate that each side of the pair gives new rows ids that the
// other side does not give (H5). The step Increment has set that, and a restart, an option
// file or an administrator may have changed it since.
func IncrementsInForce(pair replication.Pair) plan.Step {
	return plan.Step{
		Name:    "increments-" + pair.Name,
		Summary: fmt.Sprintf("new rows of the two sides of %s get different ids", pair.Name),
		Gate:    true,
		Op:      replication.WhenProvisioned{Op: incrementsGate{pair: pair}},
	}
}

type incrementsGate struct {
	plan.ReadOnly
	pair replication.Pair
}

// Check reads the values in force on both sides.
func (g incrementsGate) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "increment 2, offsets 1 and 2"}
	wrong, err := g.wrong(ctx)
	if err != nil {
		return state, err
	}
	state.Done, state.Now = len(wrong) == 0, "increment 2, offsets 1 and 2"
	if !state.Done {
		state.Now = strings.Join(wrong, "; ")
	}
	return state, nil
}

// Apply fails if a side has other values.
func (g incrementsGate) Apply(ctx context.Context) error { return g.Verify(ctx) }

// Verify fails if a side has other values.
func (g incrementsGate) Verify(ctx context.Context) error {
	wrong, err := g.wrong(ctx)
	if err != nil || len(wrong) == 0 {
		return err
	}
	return report.WithHint(fmt.Errorf("new rows of the two sides of %s may get the same id (H5): %s", g.pair.Name, strings.Join(wrong, "; ")),
		"set both variables there, in whatever file or script changes them, too; end the sessions that are open; then run the same command again")
}

func (g incrementsGate) wrong(ctx context.Context) (wrong []string, err error) {
	for _, s := range []*replication.Server{g.pair.Source, g.pair.Target} {
		now, err := incrementOp{s}.running(ctx)
		if err != nil {
			return nil, err
		}
		if want := increments(s.Side()); !setting.SameSettings(now, want) {
			wrong = append(wrong, fmt.Sprintf("%s has %s in place of %s", s.Name(), describeIncrement(now), describeIncrement(want)))
		}
	}
	return wrong, nil
}

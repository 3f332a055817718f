package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// armOp starts the guard before the critical section.
type armOp struct{ Guard }

// Arm returns the step that starts the guard of a switch. It comes right before the
// fence of g.From, while g.To is still fenced.
func Arm(g Guard) plan.Step {
	return plan.Step{
		Name:    "guard-" + string(g.From.Side()),
		Summary: fmt.Sprintf("guard the switch on the machine of %s: a writable side within %s, whatever dies", g.From.Name(), g.budget()),
		Op:      replication.WhenProvisioned{Op: armOp{g}},
	}
}

// Check reads the guard's state. It is also done once the switch is: a guard that is
// armed then would open the side that the writers have left. It is not done while the
// guard of a switch in the other direction is left, which would undo this switch.
func (a armOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "guarded"}
	now, err := a.read(ctx)
	if err != nil {
		return plan.State{}, err
	}
	from, err := fence.ReadRunning(ctx, a.From)
	if err != nil {
		return plan.State{}, err
	}
	to, err := fence.ReadRunning(ctx, a.To)
	if err != nil {
		return plan.State{}, err
	}
	leftover, err := a.opposite().leftover(ctx)
	if err != nil {
		return plan.State{}, err
	}
	switch {
	case leftover != "":
		state.Now = leftover
	case from.Closed && to.Open:
		state.Done, state.Now = true, "the switch is done: "+a.To.Name()+" accepts application writes"
	case !now.alive:
		state.Now = "no guard"
	case now.token == tokenArmed || now.token == tokenReturning:
		state.Done, state.Now = !now.late, "guarded"
	case now.token == tokenHandover || now.token == tokenReverting || now.token == tokenGuarding:
		state.Done, state.Now = true, "guarded, and handing over"
	case now.token == tokenReleased:
		state.Now = "the guard has opened " + a.From.Name() + " again"
	default:
		state.Now = "the guard is ending"
	}
	return state, nil
}

// Apply settles the guard that a switch in the other direction has left, and starts
// this one, or starts it again if its process has ended.
func (a armOp) Apply(ctx context.Context) error {
	if err := a.opposite().settle(ctx); err != nil {
		return err
	}
	state, err := a.read(ctx)
	if err != nil {
		return err
	}
	from, err := fence.ReadRunning(ctx, a.From)
	if err != nil {
		return err
	}
	to, err := fence.ReadRunning(ctx, a.To)
	if err != nil {
		return err
	}
	switch state.token {
	case tokenHandover, tokenReverting, tokenGuarding:
		// The switch is decided: `from` must not be opened any more.
		if state.alive {
			return nil
		}
		return a.start(ctx, tokenHandover)
	}
	if from.Closed && to.Open {
		return nil // the switch is done, perhaps by the guard that was settled
	}
	if err := closeWhole(ctx, a.To, to); err != nil {
		return err
	}
	if to.Open {
		return report.WithHint(fmt.Errorf("guard of %s: %s accepts application writes already", a.From.Name(), a.To.Name()),
			"a switch starts with the other side fenced: see migrate status")
	}
	if state.alive {
		if !state.late && (state.token == tokenArmed || state.token == tokenReturning) {
			return nil
		}
		if err := a.awaitRelease(ctx); err != nil {
			return err
		}
	}
	return a.start(ctx, tokenArmed)
}

// awaitRelease waits until an older guard has opened `from`. That guard is not replaced
// while both sides are fenced, because there would be none for a moment.
func (a armOp) awaitRelease(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, replication.RestoreTimeout)
	defer cancel()
	for {
		from, err := fence.ReadRunning(ctx, a.From)
		if err != nil || !from.Closed {
			return err
		}
		if err := wait.For(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the guard to open %s: %w", a.From.Name(), err)
		}
	}
}

// Verify asks the host.
func (a armOp) Verify(ctx context.Context) error {
	state, err := a.Check(ctx)
	if err != nil {
		return err
	}
	if !state.Done {
		return report.Transient(fmt.Errorf("verify the guard of %s: %s", a.From.Name(), state.Now), time.Second)
	}
	return nil
}

// Undo ends the guard, after the Undo of the fence has opened `from`.
func (a armOp) Undo(ctx context.Context, _ json.RawMessage) error {
	state, err := a.read(ctx)
	if err != nil {
		return err
	}
	switch state.token {
	case tokenHandover, tokenReverting, tokenGuarding:
		return report.WithHint(fmt.Errorf("guard of %s: it is handing over to %s", a.From.Name(), a.To.Name()),
			"run migrate cutover again to complete it, then migrate rollback")
	case tokenArmed, tokenReleased, tokenReturning:
		err := a.change(ctx, tokenDone, false, tokenArmed, tokenReturning, tokenReleased)
		if err != nil && !errors.Is(err, errLost) {
			return err
		}
	}
	return a.remove(ctx)
}

package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
)

// handoverOp gives the writers to the other side.
type handoverOp struct{ Guard }

// ErrReleased is wrapped by the error of a handover that came too late: the
// guard has opened the old side again.
var ErrReleased = errors.New("the guard has released the old side")

// Handover returns the step that opens g.To to application writes, once
// g.From's are drained. One rename decides between it and the guard, so the two
// sides never both accept writes (invariant I2).
func Handover(g Guard) plan.Step {
	return plan.Step{
		Name:    "handover-" + string(g.To.Side()),
		Summary: fmt.Sprintf("hand the writers over: %s accepts application writes", g.To.Name()),
		Op:      onceMade{handoverOp{g}},
	}
}

// world is both fences, as they are in force, and the guard.
type world struct {
	from, to fenceState
	guard    guardState
}

func (h handoverOp) world(ctx context.Context) (w world, err error) {
	if w.guard, err = h.state(ctx); err != nil {
		return w, err
	}
	if w.from, err = runningFence(ctx, h.From); err != nil {
		return w, err
	}
	w.to, err = runningFence(ctx, h.To)
	return w, err
}

// Check reads both fences and the guard.
func (h handoverOp) Check(ctx context.Context) (plan.State, error) {
	w, err := h.world(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if w.to, err = readFence(ctx, h.To); err != nil {
		return plan.State{}, err
	}
	return plan.State{
		Done: w.from.closed && w.to.open && !w.to.kept && w.guard.token == tokenNone,
		Now:  h.To.Name() + " " + w.to.String(),
		Want: h.To.Name() + " accepts application writes",
	}, nil
}

// Apply wins the decision from the guard, opens `to` and ends the guard.
func (h handoverOp) Apply(ctx context.Context) error {
	w, err := h.world(ctx)
	if err != nil {
		return err
	}
	if !w.from.closed {
		return h.tooLate(w)
	}
	switch {
	case !w.to.closed: // opened by an earlier run or the guard
	case w.guard.token == tokenGuarding:
		if err := h.awaitGuard(ctx); err != nil {
			return err
		}
	default:
		if err := h.decide(ctx, w); err != nil {
			return err
		}
	}
	if err := openFence(ctx, h.To); err != nil {
		return err
	}
	return h.disarm(ctx)
}

// tooLate explains a handover whose old side is open.
func (h handoverOp) tooLate(w world) error {
	cause := ErrNotFenced
	if w.guard.token == tokenReleased {
		cause = ErrReleased
	}
	return plan.WithHint(fmt.Errorf("hand over from %s: %w", h.From.Name(), cause),
		"the switch took longer than its budget of %s, or the controller was gone: run it again", h.budget())
}

// decide drains once more, since a run that was resumed may have passed the
// gate before the guard released, and then takes the decision.
func (h handoverOp) decide(ctx context.Context, w world) error {
	drain := drainOp{from: h.From, to: h.To, timeout: h.budget()}
	if err := drain.Apply(ctx); err != nil {
		return err
	}
	err := h.change(ctx, tokenHandover, false, tokenArmed, tokenReturning, tokenReverting)
	switch {
	case errors.Is(err, errLost):
		now, stateErr := h.state(ctx)
		if stateErr != nil {
			return errors.Join(err, stateErr)
		}
		if now.token == tokenGuarding {
			return h.awaitGuard(ctx)
		}
		w.guard = now
		return errors.Join(err, h.tooLate(w))
	case err != nil:
		return err
	}
	from, err := runningFence(ctx, h.From)
	if err != nil {
		return err
	}
	if !from.closed { // lifted by someone else: the decision goes back
		return errors.Join(h.tooLate(w), h.change(ctx, tokenReturning, true, tokenHandover))
	}
	return nil
}

// awaitGuard waits until the guard has opened `to`.
func (h handoverOp) awaitGuard(ctx context.Context) error {
	plan.Note(ctx, "the guard has taken over the handover to %s", h.To.Name())
	ctx, cancel := context.WithTimeout(ctx, restoreTimeout)
	defer cancel()
	for {
		to, err := runningFence(ctx, h.To)
		if err != nil {
			return err
		}
		if !to.closed {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the guard to open %s: %w", h.To.Name(), err)
		}
	}
}

// disarm ends the guard once `to` is open.
func (h handoverOp) disarm(ctx context.Context) error {
	to, err := runningFence(ctx, h.To)
	if err != nil {
		return err
	}
	if !to.open {
		return fmt.Errorf("hand over: %s %s", h.To.Name(), to)
	}
	// It may be in any of the states that end with `to` open, or gone.
	err = h.change(ctx, tokenDone, false, tokenHandover, tokenGuarding, tokenReverting)
	if err != nil && !errors.Is(err, errLost) {
		return err
	}
	return h.remove(ctx)
}

// Verify asks both servers and the machine.
func (h handoverOp) Verify(ctx context.Context) error {
	w, err := h.world(ctx)
	if err != nil {
		return err
	}
	if w.to, err = readFence(ctx, h.To); err != nil {
		return err
	}
	switch {
	case !w.to.open || w.to.kept:
		return fmt.Errorf("verify the handover: %s %s", h.To.Name(), w.to)
	case !w.from.closed:
		return fmt.Errorf("verify the handover: %s %s", h.From.Name(), w.from)
	case w.guard.token != tokenNone:
		return fmt.Errorf("verify the handover: a guard is left in state %q", w.guard.token)
	}
	return nil
}

// Undo takes the writers back from `to`: guarded all the time, `to` is fenced,
// `from` gets all that `to` has taken, and the guard's duty goes back to
// opening `from`, which is left to the Undo of its fence.
func (h handoverOp) Undo(ctx context.Context, _ json.RawMessage) error {
	w, err := h.world(ctx)
	if err != nil {
		return err
	}
	if w.to.closed {
		switch w.guard.token {
		case tokenGuarding:
			return h.keepDecision(errLost)
		case tokenHandover, tokenReverting:
			// Decided and not opened yet, or an earlier Undo was cut short: `to` may
			// hold writes that `from` lacks, so go on below.
		default:
			return nil
		}
	}
	if !w.from.closed {
		return fmt.Errorf("take the writers back: both %s and %s accept application writes", h.From.Name(), h.To.Name())
	}
	if err := h.revert(ctx, w); err != nil {
		return err
	}
	if err := (fenceOp{server: h.To, closed: true}).close(ctx); err != nil {
		return err
	}
	back := drainOp{from: h.To, to: h.From, timeout: h.budget()}
	if err := back.Apply(ctx); err != nil {
		return err
	}
	return h.keepDecision(h.change(ctx, tokenReturning, false, tokenReverting))
}

// revert gives the guard the duty to open `to` again if this is cut short.
func (h handoverOp) revert(ctx context.Context, w world) error {
	if w.guard.alive && (w.guard.token == tokenHandover || w.guard.token == tokenReverting) {
		return h.keepDecision(h.change(ctx, tokenReverting, true, tokenHandover))
	}
	if w.guard.alive && w.guard.token == tokenGuarding {
		return h.keepDecision(errLost)
	}
	return h.start(ctx, tokenReverting)
}

// keepDecision explains that the guard has decided for `to`.
func (h handoverOp) keepDecision(err error) error {
	if !errors.Is(err, errLost) {
		return err
	}
	return plan.WithHint(fmt.Errorf("take the writers back: the guard has handed over to %s: %w", h.To.Name(), err),
		"%s serves the writes: run the same command again to complete the switch, then migrate rollback", h.To.Name())
}

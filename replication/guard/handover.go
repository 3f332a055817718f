package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
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
		Op:      replication.WhenProvisioned{Op: handoverOp{g}},
	}
}

// world is both fences, as they are in force, and the guard.
type world struct {
	from, to fence.State
	guard    guardState
}

// world reads all of it at the same time, the fence of `to` by read: only
// runningFence does without its machine.
func (h handoverOp) world(ctx context.Context, read func(context.Context, *replication.Server) (fence.State, error)) (w world, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { w.guard, err = h.state(ctx); return err })
	g.Go(func() (err error) { w.from, err = fence.ReadRunning(ctx, h.From); return err })
	g.Go(func() (err error) { w.to, err = read(ctx, h.To); return err })
	return w, g.Wait()
}

// fences reads what is in force on both sides: only that is asked for while
// nobody can write.
func (h handoverOp) fences(ctx context.Context) (from, to fence.State, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { from, err = fence.ReadRunning(ctx, h.From); return err })
	g.Go(func() (err error) { to, err = fence.ReadRunning(ctx, h.To); return err })
	return from, to, g.Wait()
}

// Check reads both fences, and the rest where the switch may be done.
func (h handoverOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: h.To.Name() + " accepts application writes"}
	from, to, err := h.fences(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if !from.Closed || to.Closed {
		to.Kept = to.Closed
		state.Now = h.To.Name() + " " + to.String()
		return state, nil
	}
	w, err := h.world(ctx, fence.Read)
	if err != nil {
		return plan.State{}, err
	}
	state.Done = w.from.Closed && w.to.Open && !w.to.Kept && w.guard.token == tokenNone
	state.Now = h.To.Name() + " " + w.to.String()
	return state, nil
}

// Apply wins the decision from the guard, opens `to` and ends the guard.
func (h handoverOp) Apply(ctx context.Context) error {
	from, to, err := h.fences(ctx)
	if err != nil {
		return err
	}
	if !from.Closed {
		return h.tooLate(ctx)
	}
	lock, err := h.decided(ctx, to)
	if err != nil {
		return err
	}
	err = fence.OpenIn(ctx, h.To, lock)
	lock.Close() // to take away the guard's account needs the lock
	if err != nil {
		return err
	}
	return h.disarm(ctx)
}

// decided makes sure that `to` is the side to open, and returns the session to
// open it in. That is made ready at the same time: once the decision has
// fallen, nothing but the opening is left to do.
func (h handoverOp) decided(ctx context.Context, to fence.State) (lock *replication.Session, err error) {
	g, both := errgroup.WithContext(ctx)
	g.Go(func() (err error) { lock, err = account.LockFence(ctx, h.To); return err })
	if to.Closed { // else it was opened by an earlier run or the guard
		g.Go(func() error { return h.drain(both) })
	}
	err = g.Wait()
	if err == nil && to.Closed {
		err = h.decide(ctx)
	}
	if err != nil && lock != nil {
		lock.Close()
	}
	return lock, err
}

// drain waits for `to` once more: a run that was resumed may have passed the gate
// before the guard released `from`.
func (h handoverOp) drain(ctx context.Context) error {
	return link.WaitDrained(ctx, h.From, h.To, h.budget())
}

// tooLate explains a handover whose old side is open.
func (h handoverOp) tooLate(ctx context.Context) error {
	cause := link.ErrNotFenced
	now, err := h.state(ctx)
	if err != nil {
		return errors.Join(cause, err)
	}
	if now.token == tokenReleased {
		cause = ErrReleased
	}
	return report.WithHint(fmt.Errorf("hand over from %s: %w", h.From.Name(), cause),
		"the switch took longer than its budget of %s, or the controller was gone: run it again", h.budget())
}

// decide takes the decision; `to` has everything.
func (h handoverOp) decide(ctx context.Context) error {
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
		return errors.Join(err, h.tooLate(ctx))
	case err != nil:
		return err
	}
	from, err := fence.ReadRunning(ctx, h.From)
	if err != nil {
		return err
	}
	if !from.Closed { // lifted by someone else: the decision goes back
		return errors.Join(h.tooLate(ctx), h.change(ctx, tokenReturning, true, tokenHandover))
	}
	return nil
}

// awaitGuard waits until the guard has opened `to`.
func (h handoverOp) awaitGuard(ctx context.Context) error {
	report.Note(ctx, "the guard has taken over the handover to %s", h.To.Name())
	ctx, cancel := context.WithTimeout(ctx, replication.RestoreTimeout)
	defer cancel()
	for {
		to, err := fence.ReadRunning(ctx, h.To)
		if err != nil {
			return err
		}
		if !to.Closed {
			return nil
		}
		if err := wait.For(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the guard to open %s: %w", h.To.Name(), err)
		}
	}
}

// disarm ends the guard once `to` is open.
func (h handoverOp) disarm(ctx context.Context) error {
	to, err := fence.ReadRunning(ctx, h.To)
	if err != nil {
		return err
	}
	if !to.Open {
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
	w, err := h.world(ctx, fence.Read)
	if err != nil {
		return err
	}
	switch {
	case !w.to.Open || w.to.Kept:
		return fmt.Errorf("verify the handover: %s %s", h.To.Name(), w.to)
	case !w.from.Closed:
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
	w, err := h.world(ctx, fence.ReadRunning)
	if err != nil {
		return err
	}
	if w.to.Closed {
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
	if !w.from.Closed {
		return report.Permanent(fmt.Errorf("take the writers back: both %s and %s accept application writes", h.From.Name(), h.To.Name()))
	}
	if err := h.revert(ctx, w); err != nil {
		return err
	}
	if err := fence.Close(ctx, h.To); err != nil {
		return err
	}
	if err := link.WaitDrained(ctx, h.To, h.From, h.budget()); err != nil {
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
	return report.WithHint(report.Permanent(fmt.Errorf("take the writers back: the guard has handed over to %s: %w", h.To.Name(), err)),
		"%s serves the writes: run the same command again to complete the switch, then migrate rollback", h.To.Name())
}

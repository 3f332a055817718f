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

// errReleased says that a handover came too late: the guard has opened the old side
// again.
var errReleased = errors.New("the guard has released the old side")

// Handover returns the step that opens g.To to application writes once it has every
// write of g.From. One rename decides between the step and the guard, so the two sides
// never both accept writes (invariant I2).
func Handover(g Guard) plan.Step {
	return plan.Step{
		Name:    "handover-" + string(g.To.Side()),
		Summary: fmt.Sprintf("hand the writers over: %s accepts application writes", g.To.Name()),
		Op:      replication.WhenProvisioned{Op: handoverOp{g}},
	}
}

// observation is the state of both fences and of the guard.
type observation struct {
	from, to fence.State
	guard    hostState
}

// observe reads both fences and the guard concurrently. readTo reads the fence of `to`:
// fence.Read also reads what is kept, fence.ReadRunning does not need the host of `to`.
func (h handoverOp) observe(ctx context.Context, readTo func(context.Context, *replication.Server) (fence.State, error)) (now observation, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { now.guard, err = h.read(ctx); return err })
	g.Go(func() (err error) { now.from, err = fence.ReadRunning(ctx, h.From); return err })
	g.Go(func() (err error) { now.to, err = readTo(ctx, h.To); return err })
	return now, g.Wait()
}

// fences reads the fences in force on both sides, and nothing else: no client can write
// meanwhile.
func (h handoverOp) fences(ctx context.Context) (from, to fence.State, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { from, err = fence.ReadRunning(ctx, h.From); return err })
	g.Go(func() (err error) { to, err = fence.ReadRunning(ctx, h.To); return err })
	return from, to, g.Wait()
}

// Check reads both fences, and everything else only if the switch may be done.
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
	now, err := h.observe(ctx, fence.Read)
	if err != nil {
		return plan.State{}, err
	}
	state.Done = now.from.Closed && now.to.Open && !now.to.Kept && now.guard.token == tokenNone
	state.Now = h.To.Name() + " " + now.to.String()
	return state, nil
}

// Decided reads whether `to` has taken over, or will: the guard goes on with what was
// decided.
func (h handoverOp) Decided(ctx context.Context) (bool, error) {
	from, to, err := h.fences(ctx)
	if err != nil || !from.Closed {
		return false, err
	}
	if to.Open {
		return true, nil
	}
	now, err := h.read(ctx)
	return h.promises(now.token) == h.To, err
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
	lock, err := h.decideAndLock(ctx, to)
	if err != nil {
		return err
	}
	err = fence.OpenIn(ctx, h.To, lock)
	lock.Close() // disarm drops the guard's account, which needs the lock
	if err != nil {
		return err
	}
	return h.disarm(ctx)
}

// decideAndLock makes sure that `to` is the side to open, and returns the locked session
// to open it in. The session is made while `to` is drained, so that nothing but the
// opening is left to do after the decision.
func (h handoverOp) decideAndLock(ctx context.Context, to fence.State) (lock *replication.Session, err error) {
	g, groupCtx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { lock, err = account.LockFence(ctx, h.To); return err })
	if to.Closed { // else an earlier run or the guard has opened it
		g.Go(func() error { return h.drain(groupCtx) })
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
// before the guard released `from`. Before that nothing that was open on `from` may be left
// (XA), and after it nothing may be prepared on `to`, which the link cannot have ended.
func (h handoverOp) drain(ctx context.Context) error {
	if err := fence.Seal(ctx, h.From); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	if err := link.WaitDrained(ctx, h.From, h.To, h.budget()); err != nil {
		return err
	}
	if err := fence.RefusePrepared(ctx, h.To); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	return nil
}

// tooLate explains a handover while the old side is open.
func (h handoverOp) tooLate(ctx context.Context) error {
	cause := link.ErrNotFenced
	now, err := h.read(ctx)
	if err != nil {
		return errors.Join(cause, err)
	}
	if now.token == tokenReleased {
		cause = errReleased
	}
	return report.WithHint(fmt.Errorf("hand over from %s: %w", h.From.Name(), cause),
		"the switch took longer than its budget of %s, or the controller was gone: run it again", h.budget())
}

// decide wins the decision from the guard, or waits until the guard has carried out the
// same one. `to` has everything.
func (h handoverOp) decide(ctx context.Context) error {
	err := h.change(ctx, tokenHandover, false, tokenArmed, tokenReturning, tokenReverting)
	switch {
	case errors.Is(err, errLost):
		now, stateErr := h.read(ctx)
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
	if !from.Closed { // someone else has lifted the fence: give the decision back
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
	// The guard may be in any state that ends with `to` open, or gone.
	err = h.change(ctx, tokenDone, false, tokenHandover, tokenReverting, tokenGuarding)
	if err != nil && !errors.Is(err, errLost) {
		return err
	}
	return h.remove(ctx)
}

// Verify asks both servers and the guard's host.
func (h handoverOp) Verify(ctx context.Context) error {
	now, err := h.observe(ctx, fence.Read)
	if err != nil {
		return err
	}
	switch {
	case !now.to.Open || now.to.Kept:
		return fmt.Errorf("verify the handover: %s %s", h.To.Name(), now.to)
	case !now.from.Closed:
		return fmt.Errorf("verify the handover: %s %s", h.From.Name(), now.from)
	case now.guard.token != tokenNone:
		return fmt.Errorf("verify the handover: a guard is left in state %q", now.guard.token)
	}
	return nil
}

// Undo takes the writers back from `to`: it fences `to` and waits until `from` has every
// write of it. A guard protects this all the time. In the end its duty is to open `from`
// again, which the Undo of the fence of `from` will do.
func (h handoverOp) Undo(ctx context.Context, _ json.RawMessage) error {
	now, err := h.observe(ctx, fence.ReadRunning)
	if err != nil {
		return err
	}
	if now.to.Closed {
		switch now.guard.token {
		case tokenGuarding:
			return h.explainLost(errLost)
		case tokenHandover, tokenReverting:
			// The handover was decided and `to` is not open yet, or an earlier Undo was
			// interrupted: `to` may have writes that `from` lacks, so continue below.
		default:
			return nil
		}
	}
	if !now.from.Closed {
		return report.Permanent(fmt.Errorf("take the writers back: both %s and %s accept application writes", h.From.Name(), h.To.Name()))
	}
	if err := h.revert(ctx, now); err != nil {
		return err
	}
	if err := fence.Close(ctx, h.To); err != nil {
		return err
	}
	if err := fence.Seal(ctx, h.To); err != nil {
		return err
	}
	if err := link.WaitDrained(ctx, h.To, h.From, h.budget()); err != nil {
		return err
	}
	return h.explainLost(h.change(ctx, tokenReturning, false, tokenReverting))
}

// revert makes the guard open `to` again if this Undo is interrupted.
func (h handoverOp) revert(ctx context.Context, now observation) error {
	if now.guard.alive && (now.guard.token == tokenHandover || now.guard.token == tokenReverting) {
		return h.explainLost(h.change(ctx, tokenReverting, true, tokenHandover))
	}
	if now.guard.alive && now.guard.token == tokenGuarding {
		return h.explainLost(errLost)
	}
	return h.start(ctx, tokenReverting)
}

// explainLost explains that the guard has decided for `to`.
func (h handoverOp) explainLost(err error) error {
	if !errors.Is(err, errLost) {
		return err
	}
	return report.WithHint(report.Permanent(fmt.Errorf("take the writers back: the guard has handed over to %s: %w", h.To.Name(), err)),
		"%s serves the writes: run the same command again to complete the switch, then migrate rollback", h.To.Name())
}

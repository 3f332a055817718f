package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/wait"
)

// ErrNotFenced is wrapped where a server accepts application writes and must not.
var ErrNotFenced = errors.New("the server is not fenced")

// drainOp is the gate that the other side has everything of a fenced server.
type drainOp struct {
	plan.ReadOnly
	from, to *Server
	timeout  time.Duration
}

// Drain returns the gate that opens once `to` has executed every transaction of
// the fenced server `from`. The set is read after the fence has settled, and
// the wait is the server's own (MASTER_GTID_WAIT, WAIT_FOR_EXECUTED_GTID_SET).
func Drain(from, to *Server, timeout time.Duration) plan.Step {
	return plan.Step{
		Name:    "drain-" + linkName(from),
		Summary: fmt.Sprintf("wait until %s has every transaction of %s", to.Name(), from.Name()),
		Gate:    true,
		Takes:   timeout / 4,
		Op:      onceMade{drainOp{from: from, to: to, timeout: timeout}},
	}
}

// Check tells how many transactions are missing now.
func (d drainOp) Check(ctx context.Context) (plan.State, error) {
	return missingState(ctx, d.from, d.to, "has every transaction")
}

// missingState describes a link by its missing transactions.
func missingState(ctx context.Context, from, to *Server, want string) (plan.State, error) {
	goal, err := linkGoal(ctx, from, to)
	if err != nil {
		return plan.State{}, err
	}
	has, err := executed(ctx, to)
	if err != nil {
		return plan.State{}, err
	}
	return plan.State{
		Now:  fmt.Sprintf("%s lacks %d transactions of %s", to.Name(), goal.Ahead(has), from.Name()),
		Want: want,
	}, nil
}

// Apply waits, at most the gate's timeout.
func (d drainOp) Apply(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.timeout, fmt.Errorf("not drained within %s", d.timeout))
	defer cancel()
	goal, err := settledGoal(ctx, d.from, d.to)
	if err != nil {
		return err
	}
	has, err := executed(ctx, d.to)
	if err != nil || has.Contains(goal) {
		return err
	}
	return linkOp{d.from, d.to}.reach(ctx, goal)
}

// settledGoal reads what a fenced server holds until nothing came that `to`
// lacks. Setting the fence waited for commits in progress, and none can follow,
// so nothing is missed; what `to` itself writes goes on arriving (a rollback of
// a switch that died before its decision, the window of dual writes).
func settledGoal(ctx context.Context, from, to *Server) (GTIDSet, error) {
	last, err := fencedGoal(ctx, from, to)
	if err != nil {
		return GTIDSet{}, err
	}
	for {
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return GTIDSet{}, fmt.Errorf("drain %s: it is still being written to: %w", from.Name(), err)
		}
		goal, err := fencedGoal(ctx, from, to)
		if err != nil {
			return GTIDSet{}, err
		}
		has, err := executed(ctx, to)
		if err != nil || has.Contains(goal.Minus(last)) {
			return goal, err
		}
		last = goal
	}
}

// fencedGoal is linkGoal on a server that must be fenced.
func fencedGoal(ctx context.Context, from, to *Server) (GTIDSet, error) {
	fence, err := runningFence(ctx, from)
	if err != nil {
		return GTIDSet{}, err
	}
	if !fence.closed {
		return GTIDSet{}, fmt.Errorf("drain %s: %w", from.Name(), ErrNotFenced)
	}
	return linkGoal(ctx, from, to)
}

// Verify checks that nothing is missing, and that the server is fenced still.
func (d drainOp) Verify(ctx context.Context) error {
	goal, err := fencedGoal(ctx, d.from, d.to)
	if err != nil {
		return err
	}
	has, err := executed(ctx, d.to)
	if err != nil {
		return err
	}
	if missing := goal.Ahead(has); missing > 0 {
		return fmt.Errorf("verify the drain: %s lacks %d transactions of %s", d.to.Name(), missing, d.from.Name())
	}
	return nil
}

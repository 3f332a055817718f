package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/wait"
)

// ErrNotFenced is wrapped where a server accepts application writes and must not.
var ErrNotFenced = errors.New("the server is not fenced")

// DrainOp is the gate that the other side has everything of a fenced server.
type DrainOp struct {
	plan.ReadOnly
	From, To *replication.Server
	Timeout  time.Duration
}

// Drain returns the gate that opens once `to` has executed every transaction of
// the fenced server `from`. The set is read after the fence has settled, and
// the wait is the server's own (MASTER_GTID_WAIT, WAIT_FOR_EXECUTED_GTID_SET).
func Drain(from, to *replication.Server, timeout time.Duration) plan.Step {
	return plan.Step{
		Name:    "drain-" + linkName(from),
		Summary: fmt.Sprintf("wait until %s has every transaction of %s", to.Name(), from.Name()),
		Gate:    true,
		Takes:   timeout / 4,
		Op:      replication.WhenProvisioned{Op: DrainOp{From: from, To: to, Timeout: timeout}},
	}
}

// Check tells how many transactions are missing now.
func (d DrainOp) Check(ctx context.Context) (plan.State, error) {
	return missingState(ctx, d.From, d.To, "has every transaction")
}

// missingState describes a link by its missing transactions.
func missingState(ctx context.Context, from, to *replication.Server, want string) (plan.State, error) {
	goal, err := linkGoal(ctx, from, to)
	if err != nil {
		return plan.State{}, err
	}
	has, err := replication.Executed(ctx, to)
	if err != nil {
		return plan.State{}, err
	}
	return plan.State{
		Now:  fmt.Sprintf("%s lacks %d transactions of %s", to.Name(), goal.Ahead(has), from.Name()),
		Want: want,
	}, nil
}

// Apply waits, at most the gate's timeout.
func (d DrainOp) Apply(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.Timeout, fmt.Errorf("not drained within %s", d.Timeout))
	defer cancel()
	goal, err := SettledGoal(ctx, d.From, d.To)
	if err != nil {
		return err
	}
	has, err := replication.Executed(ctx, d.To)
	if err != nil || has.Contains(goal) {
		return err
	}
	return Op{d.From, d.To}.Reach(ctx, goal)
}

// SettledGoal reads what a fenced server holds until nothing came that `to`
// lacks. Setting the fence waited for commits in progress, and none can follow,
// so nothing is missed; what `to` itself writes goes on arriving (a rollback of
// a switch that died before its decision, the window of dual writes).
func SettledGoal(ctx context.Context, from, to *replication.Server) (replication.GTIDSet, error) {
	last, err := fencedGoal(ctx, from, to)
	if err != nil {
		return replication.GTIDSet{}, err
	}
	for {
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return replication.GTIDSet{}, fmt.Errorf("drain %s: it is still being written to: %w", from.Name(), err)
		}
		goal, err := fencedGoal(ctx, from, to)
		if err != nil {
			return replication.GTIDSet{}, err
		}
		has, err := replication.Executed(ctx, to)
		if err != nil || has.Contains(goal.Minus(last)) {
			return goal, err
		}
		last = goal
	}
}

// fencedGoal is linkGoal on a server that must be fenced.
func fencedGoal(ctx context.Context, from, to *replication.Server) (replication.GTIDSet, error) {
	fence, err := fence.ReadRunning(ctx, from)
	if err != nil {
		return replication.GTIDSet{}, err
	}
	if !fence.Closed {
		return replication.GTIDSet{}, fmt.Errorf("drain %s: %w", from.Name(), ErrNotFenced)
	}
	return linkGoal(ctx, from, to)
}

// Verify checks that nothing is missing, and that the server is fenced still.
func (d DrainOp) Verify(ctx context.Context) error {
	goal, err := fencedGoal(ctx, d.From, d.To)
	if err != nil {
		return err
	}
	has, err := replication.Executed(ctx, d.To)
	if err != nil {
		return err
	}
	if missing := goal.Ahead(has); missing > 0 {
		return fmt.Errorf("verify the drain: %s lacks %d transactions of %s", d.To.Name(), missing, d.From.Name())
	}
	return nil
}

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

// ErrNotFenced says that a server accepts application writes while it must not.
var ErrNotFenced = errors.New("the server is not fenced")

// drainOp is the gate that the other side has every transaction of a fenced server.
type drainOp struct {
	plan.ReadOnly
	from, to *replication.Server
	timeout  time.Duration
}

// Drain returns the gate that opens once `to` has executed every transaction of
// the fenced server `from`. It reads those transactions after the fence has settled,
// and waits with the server's own function (MASTER_GTID_WAIT,
// WAIT_FOR_EXECUTED_GTID_SET).
func Drain(from, to *replication.Server, timeout time.Duration) plan.Step {
	return plan.Step{
		Name:    "drain-" + direction(from),
		Summary: fmt.Sprintf("wait until %s has every transaction of %s", to.Name(), from.Name()),
		Gate:    true,
		Takes:   timeout / 4,
		Op:      replication.WhenProvisioned{Op: drainOp{from: from, to: to, timeout: timeout}},
	}
}

// Check tells how many transactions are missing now.
func (d drainOp) Check(ctx context.Context) (plan.State, error) {
	return missingState(ctx, d.from, d.to, "has every transaction")
}

// missingState describes a link by the number of transactions that `to` lacks.
func missingState(ctx context.Context, from, to *replication.Server, want string) (plan.State, error) {
	missing, err := missingTransactions(ctx, from, to)
	if err != nil {
		return plan.State{}, err
	}
	return plan.State{
		Now:  fmt.Sprintf("%s lacks %d transactions of %s", to.Name(), missing, from.Name()),
		Want: want,
	}, nil
}

// Apply waits, at most for the gate's timeout.
func (d drainOp) Apply(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.timeout, fmt.Errorf("not drained within %s", d.timeout))
	defer cancel()
	goal, err := SettledGTIDs(ctx, d.from, d.to)
	if err != nil {
		return err
	}
	reached, err := hasNow(ctx, d.to, goal)
	if err != nil || reached { // then the link need not run any more
		return err
	}
	return linkOp{d.from, d.to}.reach(ctx, goal)
}

// hasNow reports whether a server has executed goal, and shows its rows. The server's own
// wait function decides.
func hasNow(ctx context.Context, s *replication.Server, goal replication.GTIDSet) (bool, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return false, err
	}
	reached, err := replication.WaitGTIDs(ctx, db, dialect, goal, 0)
	return reached, s.Wrap("look for the other side's transactions", err)
}

// WaitDrained waits, at most timeout, until `to` has executed every transaction of
// the fenced server `from`. ErrNotFenced is in the error if `from` is open.
func WaitDrained(ctx context.Context, from, to *replication.Server, timeout time.Duration) error {
	return drainOp{from: from, to: to, timeout: timeout}.Apply(ctx)
}

// SettledGTIDs returns the transactions of a fenced server, once a second reading has
// nothing new that `to` lacks. Setting the fence has waited for the commits in
// progress and none can follow, so nothing is missed. Transactions that `to` itself
// wrote may still arrive: in a rollback of a switch that died before its decision, and
// in the window of dual writes. ErrNotFenced is in the error if `from` is open.
func SettledGTIDs(ctx context.Context, from, to *replication.Server) (replication.GTIDSet, error) {
	last, err := fencedGTIDs(ctx, from, to)
	if err != nil {
		return replication.GTIDSet{}, err
	}
	for {
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return replication.GTIDSet{}, fmt.Errorf("drain %s: it is still being written to: %w", from.Name(), err)
		}
		goal, err := fencedGTIDs(ctx, from, to)
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

// fencedGTIDs are the carriedGTIDs of a server that must be fenced.
func fencedGTIDs(ctx context.Context, from, to *replication.Server) (replication.GTIDSet, error) {
	fence, err := fence.ReadRunning(ctx, from)
	if err != nil {
		return replication.GTIDSet{}, err
	}
	if !fence.Closed {
		return replication.GTIDSet{}, fmt.Errorf("drain %s: %w", from.Name(), ErrNotFenced)
	}
	return carriedGTIDs(ctx, from, to)
}

// Verify checks that nothing is missing and that the server is still fenced.
func (d drainOp) Verify(ctx context.Context) error {
	goal, err := fencedGTIDs(ctx, d.from, d.to)
	if err != nil {
		return err
	}
	reached, err := hasNow(ctx, d.to, goal)
	if err == nil && !reached {
		err = fmt.Errorf("verify the drain: %s lacks transactions of %s, or does not show them yet", d.to.Name(), d.from.Name())
	}
	return err
}

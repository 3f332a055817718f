package link

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// oldSessionsOp is the gate that no client session is older than the increments.
type oldSessionsOp struct {
	plan.ReadOnly
	server  *replication.Server
	recycle bool
}

// OldSessions returns the gate that opens once no client session is left that is older
// than the increments of a server (H5). With recycle it ends those sessions: clients
// with a pool reconnect, others see one error.
func OldSessions(s *replication.Server, recycle bool) plan.Step {
	how := "wait until no client session of %s is older than its increments"
	if recycle {
		how = "end the client sessions of %s that are older than its increments"
	}
	return plan.Step{
		Name:    "old-sessions-" + string(s.Side()),
		Summary: fmt.Sprintf(how, s.Name()),
		Gate:    true,
		Op:      replication.WhenProvisioned{Op: oldSessionsOp{server: s, recycle: recycle}},
	}
}

// old lists the client sessions that are older than the mark.
func (o oldSessionsOp) old(ctx context.Context) ([]account.Client, error) {
	mark, restarted, err := readMark(ctx, o.server, setting.IncrementTopic)
	if err != nil {
		return nil, err
	}
	if mark == 0 {
		return nil, report.WithHint(fmt.Errorf("find old sessions on %s: the increments were not set by migrate", o.server.Name()), "run migrate apply")
	}
	if restarted {
		return nil, nil
	}
	all, err := account.Clients(ctx, o.server)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(c account.Client) bool { return c.ID > mark }), nil
}

// Check names the old sessions.
func (o oldSessionsOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Now: "no old sessions", Want: "no old sessions"}
	mark, _, err := readMark(ctx, o.server, setting.IncrementTopic)
	if err != nil {
		return plan.State{}, err
	}
	if mark == 0 {
		state.Unknown, state.Now = true, "the increments are set by an earlier step"
		return state, nil
	}
	old, err := o.old(ctx)
	if len(old) > 0 {
		state.Now = account.DescribeClients(old)
	}
	return state, err
}

// Apply waits, or ends the sessions.
func (o oldSessionsOp) Apply(ctx context.Context) error {
	noted := ""
	for {
		old, err := o.old(ctx)
		if err != nil || len(old) == 0 {
			return err
		}
		if o.recycle {
			if err := account.Kill(ctx, o.server, old, "it is older than the increments"); err != nil {
				return err
			}
		} else if text := fmt.Sprintf("%d old sessions are left, the oldest is %d of %s", len(old), old[0].ID, old[0].User); text != noted {
			report.Note(ctx, "%s", text)
			noted = text
		}
		if err := wait.For(ctx, 200*time.Millisecond); err != nil {
			return report.WithHint(fmt.Errorf("wait for old sessions of %s to end: %s: %w", o.server.Name(), account.DescribeClients(old), err),
				"restart those clients, or allow migrate to end their sessions")
		}
	}
}

// Verify checks that no old session is left.
func (o oldSessionsOp) Verify(ctx context.Context) error {
	old, err := o.old(ctx)
	if err == nil && len(old) > 0 {
		err = fmt.Errorf("verify the sessions of %s: %s", o.server.Name(), account.DescribeClients(old))
	}
	return err
}

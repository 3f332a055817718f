package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/binlog"
)

// SourceAnswers says by what a pair's source still shows that it is there; ""
// when neither this machine nor the target reaches it. The error is the target's.
func SourceAnswers(ctx context.Context, p replication.Pair) (how string, err error) {
	switch err := ping(ctx, p.Source); {
	case err == nil:
		return p.Source.Name() + " answers", nil
	case errors.As(err, new(*mysql.MySQLError)), errors.Is(err, remote.ErrAuth), errors.Is(err, remote.ErrSudo),
		errors.As(err, new(*remote.HostKeyError)), errors.As(err, new(*remote.UnknownHostError)):
		return fmt.Sprintf("%s answers, if only with an error: %v", p.Source.Name(), err), nil
	}
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("look for %s: %w", p.Source.Name(), err)
	}
	status, err := Op{p.Source, p.Target}.Status(ctx)
	if err == nil && status.IORunning == "Yes" {
		how = fmt.Sprintf("%s is connected to %s (it may take a minute to notice that it is not)", p.Target.Name(), p.Source.Name())
	}
	return how, err
}

func ping(ctx context.Context, s *replication.Server) error {
	db, err := s.DB(ctx)
	if err != nil {
		return err
	}
	return db.PingContext(ctx)
}

// unlinkLostOp ends both links of a pair on its target alone.
type unlinkLostOp struct {
	pair   replication.Pair
	before json.RawMessage
}

// StopLost returns the step of `finish` without a source: the target stops and
// forgets the link from it, gets back the applier settings that before, the
// State.Before of Link's step, holds (nil leaves them), and drops the accounts
// that the source logged in by.
func StopLost(p replication.Pair, before json.RawMessage) plan.Step {
	return plan.Step{
		Name:       "unlink-lost-" + p.Name,
		Summary:    fmt.Sprintf("%s stops following %s, which is lost, and does not let it in any more", p.Target.Name(), p.Source.Name()),
		CannotUndo: "the source is given up",
		Op:         unlinkLostOp{p, before},
	}
}

// forward is the link that the target still has; accounts are what it made for the other.
func (u unlinkLostOp) forward() Op { return Op{u.pair.Source, u.pair.Target} }

func (u unlinkLostOp) accounts() []account.Login {
	return []account.Login{Op{u.pair.Target, u.pair.Source}.account(), binlog.ReaderLogin(u.pair.Target)}
}

// Check is done when the target has neither link nor accounts.
func (u unlinkLostOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Done: true, Now: "does not replicate", Want: "does not replicate"}
	status, err := u.forward().Status(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if status.Configured {
		state.Done, state.Now = false, describeLink(status)
	}
	for _, account := range u.accounts() {
		hosts, err := account.Hosts(ctx)
		if err != nil {
			return plan.State{}, err
		}
		if len(hosts) > 0 && state.Done {
			state.Done, state.Now = false, "does not replicate, but an account is still there"
		}
	}
	return state, nil
}

// Apply ends the link and drops the accounts.
func (u unlinkLostOp) Apply(ctx context.Context) error {
	before := u.before
	if len(before) == 0 {
		current, err := u.forward().appliers(ctx)
		if err != nil {
			return err
		}
		if before, err = json.Marshal(linkBefore{current}); err != nil {
			return err
		}
	}
	if err := u.forward().end(ctx, before); err != nil {
		return err
	}
	for _, account := range u.accounts() {
		if err := account.Drop(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Verify asks the target.
func (u unlinkLostOp) Verify(ctx context.Context) error {
	state, err := u.Check(ctx)
	if err == nil && !state.Done {
		err = fmt.Errorf("verify the end of the link: %s %s", u.pair.Target.Name(), state.Now)
	}
	return err
}

// Undo cannot bring back what is lost.
func (unlinkLostOp) Undo(context.Context, json.RawMessage) error { return nil }

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

// SourceAnswers returns the evidence that a pair's source is still running, or "" if
// neither this machine nor the target reaches it. An error is the target's.
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
	status, err := Status(ctx, p.Source, p.Target)
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

// stopLostOp ends both links of a pair, on its target only.
type stopLostOp struct {
	pair   replication.Pair
	before json.RawMessage
}

// StopLost returns the step of `finish` for a source that is lost: the target stops
// the link from it and forgets it, drops the accounts that the source logged in with,
// and gets back its applier settings. They are in before, the State.Before of Start's
// step; nil leaves them as they are.
func StopLost(p replication.Pair, before json.RawMessage) plan.Step {
	return plan.Step{
		Name:       "unlink-lost-" + p.Name,
		Summary:    fmt.Sprintf("%s stops following %s, which is lost, and does not let it in any more", p.Target.Name(), p.Source.Name()),
		CannotUndo: "the source is given up",
		Op:         stopLostOp{p, before},
	}
}

// forward is the link from the lost source, which the target still has.
func (s stopLostOp) forward() linkOp { return linkOp{s.pair.Source, s.pair.Target} }

// accounts are the target's accounts for the source: of the reverse link and of the
// binlog's reader.
func (s stopLostOp) accounts() []account.Login {
	return []account.Login{linkOp{s.pair.Target, s.pair.Source}.account(), binlog.ReaderLogin(s.pair.Target)}
}

// Check is done if the target has neither the link nor the accounts.
func (s stopLostOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Done: true, Now: "does not replicate", Want: "does not replicate"}
	status, err := s.forward().status(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if status.Configured {
		state.Done, state.Now = false, describe(status)
	}
	for _, account := range s.accounts() {
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
func (s stopLostOp) Apply(ctx context.Context) error {
	before, err := s.forward().orCurrent(ctx, s.before)
	if err != nil {
		return err
	}
	if err := s.forward().forget(ctx, before); err != nil {
		return err
	}
	for _, account := range s.accounts() {
		if err := account.Drop(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Verify asks the target.
func (s stopLostOp) Verify(ctx context.Context) error {
	state, err := s.Check(ctx)
	if err == nil && !state.Done {
		err = fmt.Errorf("verify the end of the link: %s %s", s.pair.Target.Name(), state.Now)
	}
	return err
}

// Undo does nothing: what is lost cannot be brought back.
func (stopLostOp) Undo(context.Context, json.RawMessage) error { return nil }

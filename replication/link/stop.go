package link

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// stopOp ends a link for good.
type stopOp struct {
	link   linkOp
	before json.RawMessage
}

// Stop returns the step of `finish` that ends the link from → to: it stops the link,
// makes the replica forget it, drops its user and restores the applier settings. They
// are in before, the State.Before of Start's step; nil leaves them as they are.
func Stop(from, to *replication.Server, before json.RawMessage) plan.Step {
	return plan.Step{
		Name:       "unlink-" + direction(from),
		Summary:    fmt.Sprintf("%s stops following %s", to.Name(), from.Name()),
		CannotUndo: "writes are not carried over any more: the way back is a new migration",
		Op:         stopOp{linkOp{from, to}, before},
	}
}

// Check is done if there is neither the link nor its user.
func (s stopOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "does not replicate"}
	status, err := s.link.status(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if status.Configured {
		state.Now = describe(status)
		return state, nil
	}
	hosts, err := s.link.account().Hosts(ctx)
	if err != nil {
		return plan.State{}, err
	}
	state.Done, state.Now = len(hosts) == 0, "does not replicate"
	if !state.Done {
		state.Now = "does not replicate, but its user is still there"
	}
	return state, nil
}

// Apply ends the link.
func (s stopOp) Apply(ctx context.Context) error {
	before, err := s.link.orCurrent(ctx, s.before)
	if err != nil {
		return err
	}
	return s.link.Undo(ctx, before)
}

// Verify asks the servers.
func (s stopOp) Verify(ctx context.Context) error {
	state, err := s.Check(ctx)
	if err == nil && !state.Done {
		err = fmt.Errorf("verify the end of the link: %s %s", s.link.to.Name(), state.Now)
	}
	return err
}

// Undo does nothing: writes were not carried over meanwhile, so the link cannot go on.
func (stopOp) Undo(context.Context, json.RawMessage) error { return nil }

// orCurrent is the before-image of a link, or, if that is empty, one of the replica's
// current applier settings, which then no file keeps.
func (l linkOp) orCurrent(ctx context.Context, before json.RawMessage) (json.RawMessage, error) {
	if len(before) > 0 {
		return before, nil
	}
	current, err := l.appliers(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(beforeImage{Appliers: current.Appliers})
}

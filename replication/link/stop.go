package link

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// unlinkOp ends a link for good.
type unlinkOp struct {
	link   Op
	before json.RawMessage
}

// Stop returns the step of `finish` that ends the link from one server to the
// other: it stops and forgets it, drops its user, and puts back the applier
// settings that before, the State.Before of Link's step, holds (nil leaves them).
func Stop(from, to *replication.Server, before json.RawMessage) plan.Step {
	return plan.Step{
		Name:       "unlink-" + linkName(from),
		Summary:    fmt.Sprintf("%s stops following %s", to.Name(), from.Name()),
		CannotUndo: "writes are not carried over any more: the way back is a new migration",
		Op:         unlinkOp{Op{from, to}, before},
	}
}

// Check is done when there is neither the link nor its user.
func (u unlinkOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "does not replicate"}
	status, err := u.link.Status(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if status.Configured {
		state.Now = describeLink(status)
		return state, nil
	}
	hosts, err := u.link.account().Hosts(ctx)
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
func (u unlinkOp) Apply(ctx context.Context) error {
	before := u.before
	if len(before) == 0 {
		current, err := u.link.appliers(ctx)
		if err != nil {
			return err
		}
		if before, err = json.Marshal(linkBefore{current}); err != nil {
			return err
		}
	}
	return u.link.Undo(ctx, before)
}

// Verify asks the servers.
func (u unlinkOp) Verify(ctx context.Context) error {
	state, err := u.Check(ctx)
	if err == nil && !state.Done {
		err = fmt.Errorf("verify the end of the link: %s %s", u.link.To.Name(), state.Now)
	}
	return err
}

// Undo cannot bring the link back: writes were not carried over meanwhile.
func (unlinkOp) Undo(context.Context, json.RawMessage) error { return nil }

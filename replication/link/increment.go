package link

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
)

// incrementNames are the variables that keep the new ids of the two sides apart.
var incrementNames = []string{"auto_increment_increment", "auto_increment_offset"}

// increments are a side's values: odd ids on the source, even ones on the target.
func increments(side replication.Side) map[string]string {
	offset := "1"
	if side == replication.Target {
		offset = "2"
	}
	return map[string]string{"auto_increment_increment": "2", "auto_increment_offset": offset}
}

// incrementOp sets the increments of a server.
type incrementOp struct{ server *replication.Server }

// incrementBefore is the before-image of increments: in force, and kept over a restart.
type incrementBefore struct {
	Running map[string]string `json:"running"`
	Kept    map[string]string `json:"kept,omitempty"`
}

// Increment returns the step that gives new rows of a server ids that the other side
// does not give: auto_increment_increment=2, offset 1 on the source and 2 on the
// target, also after a restart. Sessions that are open keep their old values (H5),
// which the gate OldSessions waits for.
func Increment(s *replication.Server) plan.Step {
	return plan.Step{
		Name:    "increment-" + string(s.Side()),
		Summary: fmt.Sprintf("let %s give new rows every second id, starting at %s", s.Name(), increments(s.Side())["auto_increment_offset"]),
		Hazards: []plan.Hazard{{ID: "H5", Text: "sessions that are open keep the old increment until they reconnect"}},
		Op:      replication.WhenProvisioned{Op: incrementOp{s}},
	}
}

// Check reads the values and the mark.
func (i incrementOp) Check(ctx context.Context) (plan.State, error) {
	current, err := i.running(ctx)
	if err != nil {
		return plan.State{}, err
	}
	persistence := setting.Persistence{Server: i.server, Topic: setting.IncrementTopic}
	kept, err := persistence.Read(ctx, incrementNames...)
	if err != nil {
		return plan.State{}, err
	}
	canKeep, err := persistence.Supported(ctx)
	if err != nil {
		return plan.State{}, err
	}
	marked, _, err := readMark(ctx, i.server, setting.IncrementTopic)
	if err != nil {
		return plan.State{}, err
	}
	want := increments(i.server.Side())
	state := plan.State{
		Done: setting.SameSettings(current, want) && marked > 0 && (!canKeep || setting.SameSettings(kept, want)),
		Now:  describeIncrement(current), Want: describeIncrement(want),
	}
	state.Before, err = json.Marshal(incrementBefore{current, kept})
	return state, err
}

func describeIncrement(values map[string]string) string {
	return "increment " + values[incrementNames[0]] + ", offset " + values[incrementNames[1]]
}

// running reads the values in force.
func (i incrementOp) running(ctx context.Context) (map[string]string, error) {
	db, err := i.server.DB(ctx)
	if err != nil {
		return nil, err
	}
	now, err := query.Variables(ctx, db, incrementNames...)
	if err != nil {
		return nil, i.server.Wrap("read the increments", err)
	}
	return now, nil
}

// Apply sets the values, and then marks the sessions that may not have them.
func (i incrementOp) Apply(ctx context.Context) error {
	want := increments(i.server.Side())
	persistence := setting.Persistence{Server: i.server, Topic: setting.IncrementTopic}
	canKeep, err := persistence.Supported(ctx)
	if err != nil {
		return err
	}
	if canKeep {
		if err := persistence.Write(ctx, want); err != nil {
			return err
		}
	} else {
		report.Note(ctx, "the increments of %s do not survive its restart: its host cannot be reached", i.server.Name())
	}
	db, err := i.server.DB(ctx)
	if err != nil {
		return err
	}
	if err := setting.SetGlobals(ctx, db, want); err != nil {
		return i.server.Wrap("set the increments", err)
	}
	return writeMark(ctx, i.server, setting.IncrementTopic)
}

// Verify reads the values.
func (i incrementOp) Verify(ctx context.Context) error {
	state, err := i.Check(ctx)
	if err == nil && !state.Done {
		err = fmt.Errorf("verify the increments of %s: %s", i.server.Name(), state.Now)
	}
	return err
}

// Undo restores the values in force and the kept ones, and drops the mark.
func (i incrementOp) Undo(ctx context.Context, before json.RawMessage) error {
	var image incrementBefore
	if err := replication.ReadBefore(before, &image); err != nil {
		return err
	}
	if err := (setting.Persistence{Server: i.server, Topic: setting.IncrementTopic}).Restore(ctx, image.Kept, incrementNames...); err != nil {
		return err
	}
	db, err := i.server.DB(ctx)
	if err != nil {
		return err
	}
	if err := setting.SetGlobals(ctx, db, image.Running); err != nil {
		return i.server.Wrap("restore the increments", err)
	}
	return dropMark(ctx, i.server)
}

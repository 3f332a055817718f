package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
)

// eventSwitch is the operation of Events.
type eventSwitch struct {
	server  *replication.Server
	schemas []string
	on      bool
}

// event is a row of information_schema.EVENTS, with the attributes that ALTER EVENT
// takes from its session.
type event struct {
	Schema  string `json:"schema"`
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`

	definer, sqlMode, timeZone, charset, collation string
}

// Events returns the step that turns the events of the schemas on or off (H8): off
// makes enabled events "disabled on the replica side", on enables those again. An
// event that its owner has disabled stays disabled on both sides. The change is not
// in the binlog: each side has its own state. No schemas means all.
func Events(s *replication.Server, schemas []string, on bool) plan.Step {
	what, name := "disable", "events-off-"
	if on {
		what, name = "enable", "events-on-"
	}
	return plan.Step{
		Name:    name + string(s.Side()),
		Summary: fmt.Sprintf("%s the events of the moved schemas on %s", what, s.Name()),
		Hazards: []plan.Hazard{{ID: "H8", Text: "events run only where the writers are"}},
		Op:      replication.WhenProvisioned{Op: eventSwitch{s, schemas, on}},
	}
}

// DisableEvents turns the events of all schemas off, as the step of Events does.
func DisableEvents(ctx context.Context, s *replication.Server) error {
	return eventSwitch{server: s}.Apply(ctx)
}

// read lists the events that are not disabled by their owner, and not over.
func (e eventSwitch) read(ctx context.Context) ([]event, error) {
	db, err := e.server.DB(ctx)
	if err != nil {
		return nil, err
	}
	schemas, err := Names(ctx, db, e.schemas)
	if err != nil {
		return nil, err
	}
	var out []event
	for _, schema := range schemas {
		records, err := query.All(ctx, db, `SELECT EVENT_NAME AS name, STATUS AS status, DEFINER AS definer,
			SQL_MODE AS sql_mode, TIME_ZONE AS time_zone, CHARACTER_SET_CLIENT AS charset, COLLATION_CONNECTION AS collation
			FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ? AND STATUS <> 'DISABLED' AND NOT `+eventOver+` ORDER BY EVENT_NAME`, schema)
		if err != nil {
			return nil, e.server.Wrap("list the events", err)
		}
		for _, r := range records {
			out = append(out, event{
				Schema: schema, Name: r["name"], Enabled: r["status"] == "ENABLED", definer: r["definer"],
				sqlMode: r["sql_mode"], timeZone: r["time_zone"], charset: r["charset"], collation: r["collation"],
			})
		}
	}
	return out, nil
}

// Check counts the events that are on.
func (e eventSwitch) Check(ctx context.Context) (plan.State, error) {
	events, err := e.read(ctx)
	if err != nil {
		return plan.State{}, err
	}
	enabled := 0
	for _, ev := range events {
		if ev.Enabled {
			enabled++
		}
	}
	state := plan.State{
		Now:  fmt.Sprintf("%d of %d events enabled", enabled, len(events)),
		Want: "no event enabled",
		Done: enabled == 0,
	}
	if e.on {
		state.Want, state.Done = fmt.Sprintf("%d events enabled", len(events)), enabled == len(events)
	}
	state.Before, err = json.Marshal(events)
	return state, err
}

// Apply turns the events on or off that are not so.
func (e eventSwitch) Apply(ctx context.Context) error {
	events, err := e.read(ctx)
	if err != nil {
		return err
	}
	for _, ev := range events {
		if ev.Enabled != e.on {
			if err := e.alter(ctx, ev, e.on); err != nil {
				return err
			}
		}
	}
	return nil
}

// alter changes an event's status and nothing else. ALTER EVENT takes definer, sql_mode,
// time zone and character sets from its session, so they are set to the event's first.
func (e eventSwitch) alter(ctx context.Context, ev event, on bool) error {
	d, err := e.server.Dialect(ctx)
	if err != nil {
		return err
	}
	status := "ENABLE"
	if !on {
		status = d.PassiveEvent("ENABLE")
	}
	user, host := ev.definer, ""
	if at := strings.LastIndex(ev.definer, "@"); at >= 0 {
		user, host = ev.definer[:at], ev.definer[at+1:]
	}
	settings := []string{
		dialect.Unlogged,
		"SET SESSION sql_mode = " + query.Literal(ev.sqlMode),
		"SET SESSION time_zone = " + query.Literal(ev.timeZone),
		"SET SESSION character_set_client = " + query.Literal(ev.charset),
		"SET SESSION collation_connection = " + query.Literal(ev.collation),
	}
	statement := "ALTER DEFINER = " + query.Quote(user) + "@" + query.Quote(host) + " EVENT " + query.QuoteTable(ev.Schema, ev.Name) + " " + status
	err = account.AsAdmin(ctx, e.server, settings, func(ctx context.Context, session *replication.Session) error {
		_, err := session.ExecContext(ctx, statement)
		return err
	})
	if err != nil {
		return e.server.Wrap("alter event "+ev.Schema+"."+ev.Name, err)
	}
	return nil
}

// Verify checks the events again.
func (e eventSwitch) Verify(ctx context.Context) error {
	state, err := e.Check(ctx)
	if err == nil && !state.Done {
		err = fmt.Errorf("verify the events of %s: %s", e.server.Name(), state.Now)
	}
	return err
}

// Undo sets the status of each event that still exists back.
func (e eventSwitch) Undo(ctx context.Context, before json.RawMessage) error {
	var image []event
	if err := replication.ReadBefore(before, &image); err != nil {
		return err
	}
	now, err := e.read(ctx)
	if err != nil {
		return err
	}
	for _, ev := range now {
		for _, was := range image {
			if was.Schema == ev.Schema && was.Name == ev.Name && was.Enabled != ev.Enabled {
				if err := e.alter(ctx, ev, was.Enabled); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

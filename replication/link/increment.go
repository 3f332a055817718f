package link

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// incrementNames are the variables that keep the sides' new ids apart.
var incrementNames = []string{"auto_increment_increment", "auto_increment_offset"}

// increments are a side's values: odd ids on the source, even ones on the target.
func increments(side replication.Side) map[string]string {
	offset := "1"
	if side == replication.Target {
		offset = "2"
	}
	return map[string]string{"auto_increment_increment": "2", "auto_increment_offset": offset}
}

// incrementOp sets the increments of a side.
type incrementOp struct{ server *replication.Server }

// incrementBefore is the before-image.
type incrementBefore struct {
	Running map[string]string `json:"running"`
	Kept    map[string]string `json:"kept,omitempty"`
}

// Increment returns the step that makes a side number new rows apart from the
// other: auto_increment_increment=2, offset 1 on the source and 2 on the
// target, also after a restart. Sessions that are open keep their old values
// (H5): the gate OldSessions comes after it.
func Increment(s *replication.Server) plan.Step {
	return plan.Step{
		Name:    "increment-" + string(s.Side()),
		Summary: fmt.Sprintf("let %s give new rows every second id, starting at %s", s.Name(), increments(s.Side())["auto_increment_offset"]),
		Hazards: []plan.Hazard{{ID: "H5", Text: "sessions that are open keep the old increment until they reconnect"}},
		Op:      replication.WhenProvisioned{Op: incrementOp{s}},
	}
}

// markTable holds, per server and out of the binlog, which sessions are older than a setting.
const markTable = "CREATE TABLE IF NOT EXISTS `" + replication.OwnSchema + "`.`session_mark` (" +
	"`name` VARCHAR(32) NOT NULL PRIMARY KEY, `connection` BIGINT NOT NULL, `started` BIGINT NOT NULL) ENGINE=InnoDB"

// Check reads the values and the mark.
func (i incrementOp) Check(ctx context.Context) (plan.State, error) {
	now, err := i.running(ctx)
	if err != nil {
		return plan.State{}, err
	}
	keeper := setting.Persistence{Server: i.server, Topic: setting.IncrementTopic}
	kept, err := keeper.Read(ctx, incrementNames...)
	if err != nil {
		return plan.State{}, err
	}
	canKeep, err := keeper.Supported(ctx)
	if err != nil {
		return plan.State{}, err
	}
	marked, _, err := readMark(ctx, i.server, setting.IncrementTopic)
	if err != nil {
		return plan.State{}, err
	}
	want := increments(i.server.Side())
	state := plan.State{
		Done: setting.SameSettings(now, want) && marked > 0 && (!canKeep || setting.SameSettings(kept, want)),
		Now:  describeIncrement(now), Want: describeIncrement(want),
	}
	state.Before, err = json.Marshal(incrementBefore{now, kept})
	return state, err
}

func describeIncrement(values map[string]string) string {
	return "increment " + values[incrementNames[0]] + ", offset " + values[incrementNames[1]]
}

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

// Apply sets the values, and then marks the youngest session that may not know them.
func (i incrementOp) Apply(ctx context.Context) error {
	want := increments(i.server.Side())
	keeper := setting.Persistence{Server: i.server, Topic: setting.IncrementTopic}
	canKeep, err := keeper.Supported(ctx)
	if err != nil {
		return err
	}
	if canKeep {
		if err := keeper.Write(ctx, want); err != nil {
			return err
		}
	} else {
		report.Note(ctx, "the increments of %s do not survive its restart: its machine cannot be reached", i.server.Name())
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

// Undo restores both the running and the kept values.
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

// readMark returns the youngest connection id of the mark's time; 0: no mark.
// restarted says that the server has started since: ids began anew.
func readMark(ctx context.Context, s *replication.Server, name string) (connection int64, restarted bool, err error) {
	db, err := s.DB(ctx)
	if err != nil {
		return 0, false, err
	}
	r, ok, err := query.One(ctx, db, "SELECT connection, started FROM "+query.QuoteTable(replication.OwnSchema, "session_mark")+" WHERE name = ?", name)
	if number := query.ErrorNumber(err); number == 1146 || number == 1049 { // no such table, no such schema
		return 0, false, nil
	}
	if err != nil || !ok {
		if err != nil {
			err = s.Wrap("read the mark of old sessions", err)
		}
		return 0, false, err
	}
	if connection, err = strconv.ParseInt(r["connection"], 10, 64); err != nil {
		return 0, false, s.Wrap("read the mark of old sessions", err)
	}
	marked, err := strconv.ParseInt(r["started"], 10, 64)
	if err != nil {
		return 0, false, s.Wrap("read the mark of old sessions", err)
	}
	started, err := startedAt(ctx, db)
	if err != nil {
		return 0, false, s.Wrap("read the start of the server", err)
	}
	// Uptime and clock are whole seconds, and a clock may be set a little.
	return connection, started-marked > 3, nil
}

// startedAt is when the server started, by its own clock.
func startedAt(ctx context.Context, q query.Queryer) (int64, error) {
	r, _, err := query.One(ctx, q, "SHOW GLOBAL STATUS LIKE 'Uptime'")
	if err != nil {
		return 0, err
	}
	up, err := strconv.ParseInt(r["Value"], 10, 64)
	if err != nil {
		return 0, err
	}
	now, err := query.Text(ctx, q, "SELECT UNIX_TIMESTAMP()")
	if err != nil {
		return 0, err
	}
	at, err := strconv.ParseInt(now, 10, 64)
	return at - up, err
}

// writeMark marks every session that is open now as old. A new session's id is
// higher than that of every session that was opened before.
func writeMark(ctx context.Context, s *replication.Server, name string) error {
	err := account.AsAdmin(ctx, s, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
		started, err := startedAt(ctx, session)
		if err != nil {
			return err
		}
		for _, statement := range []string{"CREATE SCHEMA IF NOT EXISTS " + query.Quote(replication.OwnSchema), markTable} {
			if _, err := session.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		fresh, err := s.Session(ctx)
		if err != nil {
			return err
		}
		defer fresh.Close()
		id, err := query.Text(ctx, fresh, "SELECT CONNECTION_ID()")
		if err != nil {
			return err
		}
		_, err = session.ExecContext(ctx, "REPLACE INTO "+query.QuoteTable(replication.OwnSchema, "session_mark")+" (name, connection, started) VALUES (?, ?, ?)",
			name, id, started)
		return err
	})
	if err != nil {
		return s.Wrap("mark the old sessions", err)
	}
	return nil
}

func dropMark(ctx context.Context, s *replication.Server) error {
	err := account.AsAdmin(ctx, s, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
		if _, err := session.ExecContext(ctx, "DROP TABLE IF EXISTS "+query.QuoteTable(replication.OwnSchema, "session_mark")); err != nil {
			return err
		}
		return dropOwnSchemaIfEmpty(ctx, session)
	})
	if err != nil && query.ErrorNumber(err) != 1049 { // unknown database: never made
		return s.Wrap("drop the mark of old sessions", err)
	}
	return nil
}

// oldSessionsOp is the gate that no client session is older than the increments.
type oldSessionsOp struct {
	plan.ReadOnly
	server  *replication.Server
	recycle bool
}

// OldSessions returns the gate that opens once no client session is left that
// is older than the increments of a server (H5). With recycle it ends them:
// clients with a pool reconnect, others see one error.
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

// Check names old sessions.
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
		state.Now = account.Describe(old)
	}
	return state, err
}

// Apply waits, or ends the sessions.
func (o oldSessionsOp) Apply(ctx context.Context) error {
	said := ""
	for {
		old, err := o.old(ctx)
		if err != nil || len(old) == 0 {
			return err
		}
		if o.recycle {
			if err := account.Kill(ctx, o.server, old, "it is older than the increments"); err != nil {
				return err
			}
		} else if text := fmt.Sprintf("%d old sessions are left, the oldest is %d of %s", len(old), old[0].ID, old[0].User); text != said {
			report.Note(ctx, "%s", text)
			said = text
		}
		if err := wait.For(ctx, 200*time.Millisecond); err != nil {
			return report.WithHint(fmt.Errorf("wait for old sessions of %s to end: %s: %w", o.server.Name(), account.Describe(old), err),
				"restart those clients, or allow migrate to end their sessions")
		}
	}
}

// Verify looks once more.
func (o oldSessionsOp) Verify(ctx context.Context) error {
	old, err := o.old(ctx)
	if err == nil && len(old) > 0 {
		err = fmt.Errorf("verify the sessions of %s: %s", o.server.Name(), account.Describe(old))
	}
	return err
}

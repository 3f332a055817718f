package link

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
)

// heartbeatTable is made on both sides out of the binlog, so that it does not matter
// when the links start: only its rows travel. Every run of the controller inserts a
// row of its own first, so that its updates always find it.
const heartbeatTable = "heartbeat"

const heartbeatColumns = "`run` VARCHAR(26) NOT NULL, `side` VARCHAR(8) NOT NULL, `stamp` BIGINT NOT NULL, PRIMARY KEY (`run`, `side`)"

// heartbeatTableOp makes the heartbeat's table.
type heartbeatTableOp struct{ pair replication.Pair }

// HeartbeatTable returns the step that makes the table migrate.heartbeat on both
// sides. Gates that measure lag or make a round trip need it.
func HeartbeatTable(p replication.Pair) plan.Step {
	return plan.Step{
		Name:    "heartbeat-table",
		Summary: "make the table `migrate.heartbeat` on both sides, to measure lag with",
		Op:      replication.WhenProvisioned{Op: heartbeatTableOp{p}},
	}
}

// hasHeartbeatTable reports whether the heartbeat's table is on a server.
func hasHeartbeatTable(ctx context.Context, s *replication.Server) (bool, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return false, err
	}
	count, err := query.Text(ctx, db, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'heartbeat'", replication.OwnSchema)
	if err != nil {
		return false, fmt.Errorf("look for the heartbeat's table on %s: %w", s.Name(), err)
	}
	return count == "1", nil
}

// MissingHeartbeat names a server of the pair that lacks the heartbeat's table; "" is none.
func MissingHeartbeat(ctx context.Context, p replication.Pair) (server string, err error) {
	for _, s := range []*replication.Server{p.Source, p.Target} { // both, because a side may not be made yet
		exists, err := hasHeartbeatTable(ctx, s)
		if err != nil {
			return s.Name(), err
		}
		if !exists && server == "" {
			server = s.Name()
		}
	}
	return server, nil
}

// Check looks for the table on both sides.
func (h heartbeatTableOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Done: true, Now: "on both sides", Want: "on both sides"}
	missing, err := MissingHeartbeat(ctx, h.pair)
	if err != nil {
		return plan.State{}, err
	}
	if missing != "" {
		state.Done, state.Now = false, "not on "+missing
	}
	return state, nil
}

// Apply makes the table.
func (h heartbeatTableOp) Apply(ctx context.Context) error {
	return h.onBothSides(ctx, "make the heartbeat's table", func(ctx context.Context, session *replication.Session) error {
		return replication.MakeOwnTable(ctx, session, heartbeatTable, heartbeatColumns)
	})
}

// Verify looks for the table on both sides.
func (h heartbeatTableOp) Verify(ctx context.Context) error {
	state, err := h.Check(ctx)
	if err == nil && !state.Done {
		err = fmt.Errorf("verify the heartbeat's table: it is %s", state.Now)
	}
	return err
}

// Undo drops the table. The schema stays while anything else is in it.
func (h heartbeatTableOp) Undo(ctx context.Context, _ json.RawMessage) error {
	return h.onBothSides(ctx, "drop the heartbeat's table", func(ctx context.Context, session *replication.Session) error {
		return replication.DropOwnTables(ctx, session, heartbeatTable)
	})
}

// onBothSides runs f in an administrator's session on each side, out of the binlog.
func (h heartbeatTableOp) onBothSides(ctx context.Context, what string, f func(context.Context, *replication.Session) error) error {
	for _, s := range []*replication.Server{h.pair.Source, h.pair.Target} {
		if err := account.AsAdmin(ctx, s, []string{dialect.Unlogged}, f); err != nil {
			return s.Wrap(what, err)
		}
	}
	return nil
}

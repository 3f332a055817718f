package link

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// heartbeatInterval is how often the stamp is written and read.
const heartbeatInterval = 100 * time.Millisecond

// heartbeatTable is made on both sides out of the binlog, so that it does not
// matter when the links start; only its rows travel. A run of the controller
// has a row of its own: inserted first, so that an update always finds it.
const heartbeatTable = "CREATE TABLE IF NOT EXISTS `" + replication.OwnSchema + "`.`heartbeat` (" +
	"`run` VARCHAR(26) NOT NULL, `side` VARCHAR(8) NOT NULL, `stamp` BIGINT NOT NULL," +
	"PRIMARY KEY (`run`, `side`)) ENGINE=InnoDB"

// heartbeatTableOp makes the heartbeat's table.
type heartbeatTableOp struct{ pair replication.Pair }

// HeartbeatTable returns the step that makes the table migrate.heartbeat on
// both sides. It comes before the first gate that measures lag.
func HeartbeatTable(p replication.Pair) plan.Step {
	return plan.Step{
		Name:    "heartbeat-table",
		Summary: "make the table `migrate.heartbeat` on both sides, to measure lag with",
		Op:      replication.WhenProvisioned{Op: heartbeatTableOp{p}},
	}
}

// ownTables counts the heartbeat's table and schema on a server.
func ownTables(ctx context.Context, s *replication.Server) (table, schema bool, err error) {
	db, err := s.DB(ctx)
	if err != nil {
		return false, false, err
	}
	counts, err := query.Strings(ctx, db, `SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'heartbeat'
		UNION ALL SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?`, replication.OwnSchema, replication.OwnSchema)
	if err != nil {
		return false, false, fmt.Errorf("look for the heartbeat's table on %s: %w", s.Name(), err)
	}
	return counts[0] == "1", counts[1] == "1", nil
}

// Check looks for the table on both sides.
func (h heartbeatTableOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Done: true, Now: "on both sides", Want: "on both sides"}
	for _, s := range []*replication.Server{h.pair.Source, h.pair.Target} {
		table, _, err := ownTables(ctx, s)
		if err != nil {
			return plan.State{}, err
		}
		if !table {
			state.Done, state.Now = false, "not on "+s.Name()
		}
	}
	return state, nil
}

// Apply makes the table.
func (h heartbeatTableOp) Apply(ctx context.Context) error {
	return h.both(ctx, "make the heartbeat's table", "CREATE SCHEMA IF NOT EXISTS "+query.Quote(replication.OwnSchema), heartbeatTable)
}

func (h heartbeatTableOp) both(ctx context.Context, what string, statements ...string) error {
	for _, s := range []*replication.Server{h.pair.Source, h.pair.Target} {
		err := account.AsAdmin(ctx, s, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
			for _, statement := range statements {
				if _, err := session.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return s.Wrap(what, err)
		}
	}
	return nil
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
	for _, s := range []*replication.Server{h.pair.Source, h.pair.Target} {
		err := account.AsAdmin(ctx, s, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
			if _, err := session.ExecContext(ctx, "DROP TABLE IF EXISTS "+query.QuoteTable(replication.OwnSchema, "heartbeat")); err != nil {
				return err
			}
			return dropOwnSchemaIfEmpty(ctx, session)
		})
		if err != nil && query.ErrorNumber(err) != 1049 { // unknown database: never made
			return s.Wrap("drop the heartbeat's table", err)
		}
	}
	return nil
}

func dropOwnSchemaIfEmpty(ctx context.Context, session *replication.Session) error {
	left, err := query.Text(ctx, session, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?", replication.OwnSchema)
	if err != nil || left != "0" {
		return err
	}
	_, err = session.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+query.Quote(replication.OwnSchema))
	return err
}

// Heartbeat measures the lag of a link all the time: it writes the controller's
// own monotonic stamp ten times a second on one side and reads it on the other.
// On a MySQL server with super_read_only nothing can be written; there it times
// the server's GTID wait instead. New, Open, Lag, Close.
type Heartbeat struct {
	from, to *replication.Server
	run      string
	epoch    time.Time

	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	pending []time.Duration // stamps that were acknowledged and not seen yet
	last    time.Duration   // what the last seen stamp took
	seen    bool            // there is a first value
	err     error
}

// NewHeartbeat returns the heartbeat of the link from → to, not running yet.
func NewHeartbeat(from, to *replication.Server) *Heartbeat {
	return &Heartbeat{from: from, to: to, run: rand.Text(), epoch: time.Now()}
}

// Open starts the heartbeat. It needs the table of HeartbeatTable.
func (h *Heartbeat) Open(ctx context.Context) error {
	table, _, err := ownTables(ctx, h.to)
	if err != nil {
		return err
	}
	if !table {
		return report.WithHint(fmt.Errorf("start the heartbeat: `migrate.heartbeat` is not on %s", h.to.Name()), "run migrate apply")
	}
	writable, err := h.writable(ctx)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	h.cancel = cancel
	if !writable {
		h.wg.Go(func() { h.loop(running, h.timeWait) })
		return nil
	}
	db, err := h.from.DB(ctx)
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO "+query.QuoteTable(replication.OwnSchema, "heartbeat")+" (run, side, stamp) VALUES (?, ?, 0)",
		h.run, string(h.from.Side())); err != nil {
		return h.from.Wrap("start the heartbeat", err)
	}
	h.wg.Go(func() { h.loop(running, h.write) })
	h.wg.Go(func() { h.loop(running, h.read) })
	return nil
}

// writable reports whether a session of ours can write on the link's origin.
func (h *Heartbeat) writable(ctx context.Context) (bool, error) {
	_, dialect, err := h.from.Open(ctx)
	if err != nil || !dialect.FenceStopsAdmins() {
		return err == nil, err
	}
	fence, err := fence.ReadRunning(ctx, h.from)
	return !fence.Closed, err
}

// loop runs f at every tick until ctx ends, keeping its last outcome.
func (h *Heartbeat) loop(ctx context.Context, f func(context.Context) error) {
	tick := time.NewTicker(heartbeatInterval)
	defer tick.Stop()
	for {
		err := f(ctx)
		if ctx.Err() != nil {
			return
		}
		h.mu.Lock()
		h.err = err
		h.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *Heartbeat) write(ctx context.Context) error {
	db, err := h.from.DB(ctx)
	if err != nil {
		return err
	}
	stamp := time.Since(h.epoch)
	if _, err := db.ExecContext(ctx, "UPDATE "+query.QuoteTable(replication.OwnSchema, "heartbeat")+" SET stamp = ? WHERE run = ? AND side = ?",
		int64(stamp), h.run, string(h.from.Side())); err != nil {
		return h.from.Wrap("write the heartbeat", err)
	}
	h.mu.Lock()
	h.pending = append(h.pending, stamp)
	h.mu.Unlock()
	return nil
}

func (h *Heartbeat) read(ctx context.Context) error {
	db, err := h.to.DB(ctx)
	if err != nil {
		return err
	}
	var stamp int64
	err = db.QueryRowContext(ctx, "SELECT stamp FROM "+query.QuoteTable(replication.OwnSchema, "heartbeat")+" WHERE run = ? AND side = ?",
		h.run, string(h.from.Side())).Scan(&stamp)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return h.to.Wrap("read the heartbeat", err)
	}
	now := time.Since(h.epoch)
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.pending) > 0 && h.pending[0] <= time.Duration(stamp) {
		h.last, h.seen = now-h.pending[0], true
		h.pending = h.pending[1:]
	}
	return nil
}

// timeWait takes how long the replica needs to have what the origin has now.
func (h *Heartbeat) timeWait(ctx context.Context) error {
	start := time.Since(h.epoch)
	goal, err := linkGoal(ctx, h.from, h.to)
	if err != nil {
		return err
	}
	db, dialect, err := h.to.Open(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.pending = []time.Duration{start}
	h.mu.Unlock()
	for ctx.Err() == nil {
		reached, err := replication.WaitGTIDs(ctx, db, dialect, goal, time.Second)
		if err != nil {
			return h.to.Wrap("wait for the replica", err)
		}
		if reached {
			h.mu.Lock()
			h.last, h.seen, h.pending = time.Since(h.epoch)-start, true, nil
			h.mu.Unlock()
			return nil
		}
	}
	return nil
}

// Lag returns the lag now. Before the first stamp has arrived it is how long
// ago the first was written. While a stamp is under way, and where the link has
// stopped, it is a lower bound.
func (h *Heartbeat) Lag(ctx context.Context) (Lag, error) {
	h.mu.Lock()
	lag, err := Lag{Behind: h.last}, h.err
	switch {
	case len(h.pending) > 0:
		age := time.Since(h.epoch) - h.pending[0]
		lag.AtLeast = age > max(lag.Behind, heartbeatInterval)
		lag.Behind = max(lag.Behind, age)
	case !h.seen:
		lag.Behind, lag.AtLeast = time.Since(h.epoch), true
	}
	h.mu.Unlock()
	if err != nil {
		return Lag{}, err
	}
	if lag.Transactions, err = missingTransactions(ctx, h.from, h.to); err != nil {
		return Lag{}, err
	}
	return lag.of(Op{h.from, h.to}.Status(ctx))
}

// Close stops the heartbeat, waits for it and deletes its row.
func (h *Heartbeat) Close(ctx context.Context) error {
	if h.cancel == nil {
		return nil
	}
	h.cancel(errors.New("heartbeat closed"))
	h.wg.Wait()
	writable, err := h.writable(ctx)
	if err != nil || !writable {
		return err
	}
	db, err := h.from.DB(ctx)
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "DELETE FROM "+query.QuoteTable(replication.OwnSchema, "heartbeat")+" WHERE run = ?", h.run); err != nil {
		return h.from.Wrap("end the heartbeat", err)
	}
	return nil
}

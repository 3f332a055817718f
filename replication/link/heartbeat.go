package link

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// heartbeatInterval is the time between two stamps, and between two readings.
const heartbeatInterval = 100 * time.Millisecond

// heartbeat measures the lag of a link continuously: ten times a second it writes the
// controller's monotonic clock to one side and reads it on the other. Nothing can be
// written to a MySQL server with super_read_only; there it times the server's GTID wait
// instead. Use newHeartbeat, open, lag, close.
type heartbeat struct {
	from, to *replication.Server
	run      string
	epoch    time.Time

	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	pending  []time.Duration // stamps that were written and have not arrived yet
	last     time.Duration   // what the last stamp that arrived took
	measured bool            // last has a value
	err      error
}

// newHeartbeat returns the heartbeat of the link from → to, not running yet.
func newHeartbeat(from, to *replication.Server) *heartbeat {
	return &heartbeat{from: from, to: to, run: rand.Text(), epoch: time.Now()}
}

// open starts the heartbeat. It needs the table of HeartbeatTable.
func (h *heartbeat) open(ctx context.Context) error {
	exists, err := hasHeartbeatTable(ctx, h.to)
	if err != nil {
		return err
	}
	if !exists {
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
	if _, err := db.ExecContext(ctx, "INSERT INTO "+query.QuoteTable(replication.OwnSchema, heartbeatTable)+" (run, side, stamp) VALUES (?, ?, 0)",
		h.run, string(h.from.Side())); err != nil {
		return h.from.Wrap("start the heartbeat", err)
	}
	h.wg.Go(func() { h.loop(running, h.write) })
	h.wg.Go(func() { h.loop(running, h.read) })
	return nil
}

// writable reports whether migrate's login can write on the link's origin.
func (h *heartbeat) writable(ctx context.Context) (bool, error) {
	_, dialect, err := h.from.Open(ctx)
	if err != nil || !dialect.FenceStopsAdmins() {
		return err == nil, err
	}
	fence, err := fence.ReadRunning(ctx, h.from)
	return !fence.Closed, err
}

// loop runs f at every tick until ctx ends, and keeps its last error.
func (h *heartbeat) loop(ctx context.Context, f func(context.Context) error) {
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

// write writes a stamp on the link's origin.
func (h *heartbeat) write(ctx context.Context) error {
	db, err := h.from.DB(ctx)
	if err != nil {
		return err
	}
	stamp := time.Since(h.epoch)
	if _, err := db.ExecContext(ctx, "UPDATE "+query.QuoteTable(replication.OwnSchema, heartbeatTable)+" SET stamp = ? WHERE run = ? AND side = ?",
		int64(stamp), h.run, string(h.from.Side())); err != nil {
		return h.from.Wrap("write the heartbeat", err)
	}
	h.mu.Lock()
	h.pending = append(h.pending, stamp)
	h.mu.Unlock()
	return nil
}

// read reads the stamp on the replica.
func (h *heartbeat) read(ctx context.Context) error {
	db, err := h.to.DB(ctx)
	if err != nil {
		return err
	}
	var stamp int64
	err = db.QueryRowContext(ctx, "SELECT stamp FROM "+query.QuoteTable(replication.OwnSchema, heartbeatTable)+" WHERE run = ? AND side = ?",
		h.run, string(h.from.Side())).Scan(&stamp)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return h.to.Wrap("read the heartbeat", err)
	}
	now := time.Since(h.epoch)
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.pending) > 0 && h.pending[0] <= time.Duration(stamp) {
		h.last, h.measured = now-h.pending[0], true
		h.pending = h.pending[1:]
	}
	return nil
}

// timeWait measures how long the replica needs to have what the origin has now.
func (h *heartbeat) timeWait(ctx context.Context) error {
	start := time.Since(h.epoch)
	goal, err := carriedGTIDs(ctx, h.from, h.to)
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
			h.last, h.measured, h.pending = time.Since(h.epoch)-start, true, nil
			h.mu.Unlock()
			return nil
		}
	}
	return nil
}

// lag returns the current lag. Until the first stamp has arrived it is the time since
// that was written. It is a lower bound while a stamp is on its way and while the link
// has stopped.
func (h *heartbeat) lag(ctx context.Context) (Lag, error) {
	h.mu.Lock()
	lag, err := Lag{Behind: h.last}, h.err
	switch {
	case len(h.pending) > 0:
		age := time.Since(h.epoch) - h.pending[0]
		lag.AtLeast = age > max(lag.Behind, heartbeatInterval)
		lag.Behind = max(lag.Behind, age)
	case !h.measured:
		lag.Behind, lag.AtLeast = time.Since(h.epoch), true
	}
	h.mu.Unlock()
	if err != nil {
		return Lag{}, err
	}
	if lag.Transactions, err = missingTransactions(ctx, h.from, h.to); err != nil {
		return Lag{}, err
	}
	return lag.withStatus(Status(ctx, h.from, h.to))
}

// close stops the heartbeat, waits for its end and deletes its row.
func (h *heartbeat) close(ctx context.Context) error {
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
	if _, err := db.ExecContext(ctx, "DELETE FROM "+query.QuoteTable(replication.OwnSchema, heartbeatTable)+" WHERE run = ?", h.run); err != nil {
		return h.from.Wrap("end the heartbeat", err)
	}
	return nil
}

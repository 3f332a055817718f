package control

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

const lockName = "migrate.seed"

// Interval is how often a running seed reads changed limits and writes its
// progress.
const Interval = time.Second

// startTimeout is how long ChangeLimits waits for a seed that has just begun.
const startTimeout = 30 * time.Second

// lockWaitSeconds is how long a seed waits for the session of a killed one to end.
const lockWaitSeconds = 20

// Rows of the control table.
const (
	wantedRow = "wanted" // LimitsChange, by migrate throttle
	stateRow  = "state"  // State, by the seed
)

// ErrNoSeed is wrapped if no seed of the pair is running.
var ErrNoSeed = errors.New("no seed is running")

// LimitsChange changes some limits of a running seed; nil fields stay as they are.
type LimitsChange struct {
	Workers        *int           `json:"workers,omitempty"`
	BytesPerSecond *int64         `json:"bytes_per_second,omitempty"`
	MostRunning    *int           `json:"threads_running,omitempty"`
	MostLag        *time.Duration `json:"replica_lag,omitempty"`
	Paused         *bool          `json:"paused,omitempty"`
}

// appliedTo returns the limits with the change.
func (c LimitsChange) appliedTo(l throttle.Limits) throttle.Limits {
	override(&l.Workers, c.Workers)
	override(&l.BytesPerSecond, c.BytesPerSecond)
	override(&l.MostRunning, c.MostRunning)
	override(&l.MostLag, c.MostLag)
	override(&l.Paused, c.Paused)
	return l
}

// onTopOf returns an earlier change with this one on top.
func (c LimitsChange) onTopOf(earlier LimitsChange) LimitsChange {
	later := func(a, b *int) *int {
		if a != nil {
			return a
		}
		return b
	}
	earlier.Workers, earlier.MostRunning = later(c.Workers, earlier.Workers), later(c.MostRunning, earlier.MostRunning)
	if c.BytesPerSecond != nil {
		earlier.BytesPerSecond = c.BytesPerSecond
	}
	if c.MostLag != nil {
		earlier.MostLag = c.MostLag
	}
	if c.Paused != nil {
		earlier.Paused = c.Paused
	}
	return earlier
}

func override[T any](value, by *T) {
	if by != nil {
		*value = *by
	}
}

// State is what a running seed publishes once a second.
type State struct {
	Pair     string          `json:"pair"`
	Limits   throttle.Limits `json:"limits"`
	Progress Progress        `json:"progress"`
}

// Running asks the target for the pair's seed; ok is false if none is running.
func Running(ctx context.Context, pair replication.Pair) (state State, ok bool, err error) {
	db, err := pair.Target.DB(ctx)
	if err != nil {
		return State{}, false, err
	}
	held, err := query.Text(ctx, db, "SELECT IS_USED_LOCK(?)", lockName)
	if err != nil {
		return State{}, false, pair.Target.Wrap("look for a seed", err)
	}
	if held == "" {
		return State{}, false, nil
	}
	_, err = readRow(ctx, db, stateRow, &state)
	state.Pair = pair.Name
	return state, true, err
}

// ChangeLimits changes the limits of the pair's running seed, which adopts them within
// about a second, and returns its state with the new limits. It does not need the
// migration's lock. Without a seed it returns ErrNoSeed.
func ChangeLimits(ctx context.Context, pair replication.Pair, change LimitsChange) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		state, ok, err := Running(ctx, pair)
		if err != nil {
			return State{}, err
		}
		if !ok {
			return State{}, fmt.Errorf("%s: %w", pair.Name, ErrNoSeed)
		}
		err = changeRunning(ctx, pair.Target, change)
		if err == nil {
			state.Limits = change.appliedTo(state.Limits)
			return state, nil
		}
		if n := query.ErrorNumber(err); n != 1146 && n != 1049 {
			return State{}, err
		}
		if wait.For(ctx, Interval) != nil { // the seed is beginning or ending: there is no table yet, or no longer
			return State{}, report.WithHint(fmt.Errorf("%s: the seed is only beginning", pair.Name), "run the same command again in a moment")
		}
	}
}

func changeRunning(ctx context.Context, target *replication.Server, change LimitsChange) error {
	session, err := target.Session(ctx, dialect.Unlogged)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := changeWanted(ctx, session, change); err != nil {
		return target.Wrap("change the throttle", err)
	}
	return nil
}

// changeWanted merges the change into the earlier ones in one transaction: two operators
// may change limits at once.
func changeWanted(ctx context.Context, session *replication.Session, change LimitsChange) error {
	tx, err := session.BeginTx(ctx, &sql.TxOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	var earlier LimitsChange
	text, err := query.Text(ctx, tx, "SELECT value FROM "+query.QuoteTable(replication.OwnSchema, schema.SeedControl)+" WHERE name = ? FOR UPDATE", wantedRow)
	if err != nil {
		return err
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &earlier); err != nil {
			return err
		}
	}
	if err := writeRow(ctx, tx, wantedRow, change.onTopOf(earlier)); err != nil {
		return err
	}
	return tx.Commit()
}

// readRow reads a row of the control table. found is false, without an error, if the
// table or the row is missing.
func readRow(ctx context.Context, q query.Queryer, name string, into any) (found bool, err error) {
	text, err := query.Text(ctx, q, "SELECT value FROM "+query.QuoteTable(replication.OwnSchema, schema.SeedControl)+" WHERE name = ?", name)
	if n := query.ErrorNumber(err); n == 1146 || n == 1049 || err == nil && text == "" {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what a seed is told: %w", err)
	}
	return true, report.Wrap("read what a seed is told", json.Unmarshal([]byte(text), into))
}

func writeRow(ctx context.Context, e query.Execer, name string, value any) error {
	text, err := json.Marshal(value)
	if err == nil {
		_, err = e.ExecContext(ctx, "REPLACE INTO "+query.QuoteTable(replication.OwnSchema, schema.SeedControl)+" (name, value) VALUES (?, ?)", name, string(text))
	}
	return report.Wrap("write what a seed is told", err)
}

// Control is the session of a running seed. It holds the seed's lock, reads the changed
// limits and writes the progress.
type Control struct {
	target  *replication.Server
	Session *replication.Session
}

// Take takes the lock. The session of a killed seed may hold it for a moment:
// Take waits for that, unless the holder's progress shows that it is alive.
func Take(ctx context.Context, target *replication.Server) (*Control, error) {
	session, err := target.Session(ctx, dialect.Unlogged)
	if err != nil {
		return nil, err
	}
	if err := takeLock(ctx, session); err != nil {
		session.Close()
		return nil, target.Wrap("take the lock "+lockName, err)
	}
	return &Control{target, session}, nil
}

func takeLock(ctx context.Context, session *replication.Session) error {
	var before json.RawMessage
	for n := range lockWaitSeconds {
		got, err := query.Text(ctx, session, "SELECT GET_LOCK(?, 1)", lockName)
		if err != nil || got == "1" {
			return err
		}
		var now json.RawMessage
		if _, err := readRow(ctx, session, stateRow, &now); err != nil {
			return err
		}
		if n > 0 && string(now) != string(before) {
			break // a living seed writes it once a second
		}
		before = now
	}
	return report.WithHint(report.Transient(errors.New("another seed runs there"), Interval),
		"two seeds never write to one target: see what runs with migrate throttle --show")
}

// Make creates the control table, and migrate's schema if it is missing.
func (c *Control) Make(ctx context.Context) error {
	err := replication.MakeOwnTable(ctx, c.Session, schema.SeedControl, "name VARCHAR(16) NOT NULL PRIMARY KEY, value LONGTEXT NOT NULL")
	if err != nil {
		return c.target.Wrap("make the seed's control table", err)
	}
	return nil
}

// Lead follows changed limits and writes the state until ctx ends. It fails when its
// session does: the lock is lost then, and the seed must end.
func (c *Control) Lead(ctx context.Context, pair string, configured throttle.Limits, t *throttle.Throttle, now func() Progress) error {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		if err := c.step(ctx, pair, configured, t, now); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return report.Transient(c.target.Wrap("lead the seed", err), Interval)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *Control) step(ctx context.Context, pair string, configured throttle.Limits, t *throttle.Throttle, now func() Progress) error {
	var wanted LimitsChange
	if _, err := readRow(ctx, c.Session, wantedRow, &wanted); err != nil {
		return err
	}
	if limits := wanted.appliedTo(configured); t.Set(limits) {
		report.Note(ctx, "migrate throttle: %s", limits)
	}
	err := writeRow(ctx, c.Session, stateRow, State{Pair: pair, Limits: t.Current(), Progress: now()})
	if query.ErrorNumber(err) == 1146 {
		return nil // the seed has just ended
	}
	return err
}

// Close releases the lock at once, because a server notices the end of a session only
// later. If the session is dead, the server releases the lock.
func (c *Control) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), Interval)
	defer cancel()
	_, _ = c.Session.ExecContext(ctx, "DO RELEASE_LOCK(?)", lockName)
	c.Session.Close()
}

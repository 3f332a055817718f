package replication

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// A seed that runs is led by what stands on the target: a named lock that its
// session holds says that it runs, wherever that is, and one table has what
// `migrate throttle` wants of it and what it says of itself. The target is the
// only place that a controller, a worker on the target's host and the command of
// another operator all reach, whichever of them dies; the lock ends with its
// session, and the table, which no binlog carries, with the seed.
const (
	seedLock     = "migrate.seed"
	controlTable = "seed_control"
	controlEvery = time.Second
	// controlPatience is how long the command waits for a seed that is only beginning.
	controlPatience = 30 * time.Second
	// seedLockSeconds is how long a seed waits for the session of one that was killed to end.
	seedLockSeconds = 20
)

// Rows of the control table.
const (
	controlWanted = "wanted" // LimitsChange, by migrate throttle
	controlState  = "state"  // SeedState, by the seed
)

// ErrNoSeed is wrapped when no seed of the pair runs.
var ErrNoSeed = errors.New("no seed is running")

// LimitsChange is limits of a running seed that are to be others; nil ones stay.
type LimitsChange struct {
	Workers        *int           `json:"workers,omitempty"`
	BytesPerSecond *int64         `json:"bytes_per_second,omitempty"`
	MostRunning    *int           `json:"threads_running,omitempty"`
	MostLag        *time.Duration `json:"replica_lag,omitempty"`
	Paused         *bool          `json:"paused,omitempty"`
}

// of is the limits with the change.
func (c LimitsChange) of(l Limits) Limits {
	override(&l.Workers, c.Workers)
	override(&l.BytesPerSecond, c.BytesPerSecond)
	override(&l.MostRunning, c.MostRunning)
	override(&l.MostLag, c.MostLag)
	override(&l.Paused, c.Paused)
	return l
}

// over is the change on top of an earlier one.
func (c LimitsChange) over(earlier LimitsChange) LimitsChange {
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

// SeedState is what a running seed says of itself, once a second.
type SeedState struct {
	Pair     string       `json:"pair"`
	Limits   Limits       `json:"limits"`
	Progress SeedProgress `json:"progress"`
}

// RunningSeed asks the target for the pair's seed; ok is false when none runs.
func RunningSeed(ctx context.Context, pair Pair) (state SeedState, ok bool, err error) {
	db, err := pair.Target.DB(ctx)
	if err != nil {
		return SeedState{}, false, err
	}
	held, err := queryText(ctx, db, "SELECT IS_USED_LOCK(?)", seedLock)
	if err != nil {
		return SeedState{}, false, pair.Target.wrap("look for a seed", err)
	}
	if held == "" {
		return SeedState{}, false, nil
	}
	_, err = readControl(ctx, db, controlState, &state)
	state.Pair = pair.Name
	return state, true, err
}

// Throttle changes the limits of the pair's running seed, which follows within
// about a second, and returns the limits that it then has. It needs no lock of
// the migration. Without a seed it returns ErrNoSeed.
func Throttle(ctx context.Context, pair Pair, change LimitsChange) (SeedState, error) {
	ctx, cancel := context.WithTimeout(ctx, controlPatience)
	defer cancel()
	for {
		state, ok, err := RunningSeed(ctx, pair)
		if err != nil {
			return SeedState{}, err
		}
		if !ok {
			return SeedState{}, fmt.Errorf("%s: %w", pair.Name, ErrNoSeed)
		}
		err = throttleRunning(ctx, pair.Target, change)
		if err == nil {
			state.Limits = change.of(state.Limits)
			return state, nil
		}
		if n := errorNumber(err); n != 1146 && n != 1049 {
			return SeedState{}, err
		}
		if wait.For(ctx, controlEvery) != nil { // it begins or ends this moment: there is no table yet, or none any more
			return SeedState{}, report.WithHint(fmt.Errorf("%s: the seed is only beginning", pair.Name), "run the same command again in a moment")
		}
	}
}

func throttleRunning(ctx context.Context, target *Server, change LimitsChange) error {
	session, err := target.Session(ctx, Unlogged)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := changeWanted(ctx, session, change); err != nil {
		return target.wrap("change the throttle", err)
	}
	return nil
}

// changeWanted merges the change into what was wanted before: two operators may
// do so at once.
func changeWanted(ctx context.Context, session *Session, change LimitsChange) error {
	tx, err := session.BeginTx(ctx, &sql.TxOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	var earlier LimitsChange
	text, err := queryText(ctx, tx, "SELECT value FROM "+QuoteTable(ownSchema, controlTable)+" WHERE name = ? FOR UPDATE", controlWanted)
	if err != nil {
		return err
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &earlier); err != nil {
			return err
		}
	}
	if err := writeControl(ctx, tx, controlWanted, change.over(earlier)); err != nil {
		return err
	}
	return tx.Commit()
}

// readControl reads a row of the control table; no table and no row are no error.
func readControl(ctx context.Context, q queryer, name string, into any) (found bool, err error) {
	text, err := queryText(ctx, q, "SELECT value FROM "+QuoteTable(ownSchema, controlTable)+" WHERE name = ?", name)
	if n := errorNumber(err); n == 1146 || n == 1049 || err == nil && text == "" {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what a seed is told: %w", err)
	}
	return true, wrapErr("read what a seed is told", json.Unmarshal([]byte(text), into))
}

func writeControl(ctx context.Context, e execer, name string, value any) error {
	text, err := json.Marshal(value)
	if err == nil {
		_, err = e.ExecContext(ctx, "REPLACE INTO "+QuoteTable(ownSchema, controlTable)+" (name, value) VALUES (?, ?)", name, string(text))
	}
	return wrapErr("write what a seed is told", err)
}

// seedControl is the session of a running seed that holds its lock, reads what
// is wanted of it, and writes how far it is.
type seedControl struct {
	target  *Server
	session *Session
}

// takeControl takes the lock. The session of a seed that was killed may hold it
// for a moment: it is waited for, unless its holder shows that it is alive.
func takeControl(ctx context.Context, target *Server) (*seedControl, error) {
	session, err := target.Session(ctx, Unlogged)
	if err != nil {
		return nil, err
	}
	if err := takeSeedLock(ctx, session); err != nil {
		session.Close()
		return nil, target.wrap("take the lock "+seedLock, err)
	}
	return &seedControl{target, session}, nil
}

func takeSeedLock(ctx context.Context, session *Session) error {
	var before json.RawMessage
	for n := range seedLockSeconds {
		got, err := queryText(ctx, session, "SELECT GET_LOCK(?, 1)", seedLock)
		if err != nil || got == "1" {
			return err
		}
		var now json.RawMessage
		if _, err := readControl(ctx, session, controlState, &now); err != nil {
			return err
		}
		if n > 0 && string(now) != string(before) {
			break // it is written once a second
		}
		before = now
	}
	return report.WithHint(report.Transient(errors.New("another seed runs there"), controlEvery),
		"two seeds never write to one target: see what runs with migrate throttle --show")
}

// make makes the table, once migrate's schema is there.
func (c *seedControl) make(ctx context.Context) error {
	_, err := c.session.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+QuoteTable(ownSchema, controlTable)+
		" (name VARCHAR(16) NOT NULL PRIMARY KEY, value LONGTEXT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin")
	if err != nil {
		return c.target.wrap("make the seed's control table", err)
	}
	return nil
}

// lead follows what is wanted and writes the state until ctx ends. It fails
// when its session does: then the lock is lost, and the seed must end.
func (c *seedControl) lead(ctx context.Context, pair string, configured Limits, t *throttle, now func() SeedProgress) error {
	tick := time.NewTicker(controlEvery)
	defer tick.Stop()
	for {
		if err := c.step(ctx, pair, configured, t, now); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return report.Transient(c.target.wrap("lead the seed", err), controlEvery)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *seedControl) step(ctx context.Context, pair string, configured Limits, t *throttle, now func() SeedProgress) error {
	var wanted LimitsChange
	if _, err := readControl(ctx, c.session, controlWanted, &wanted); err != nil {
		return err
	}
	if limits := wanted.of(configured); t.set(limits) {
		report.Note(ctx, "migrate throttle: %s", limits)
	}
	err := writeControl(ctx, c.session, controlState, SeedState{Pair: pair, Limits: t.current(), Progress: now()})
	if errorNumber(err) == 1146 {
		return nil // the seed has ended this moment
	}
	return err
}

// close gives the lock back at once: a server notices only later that a session
// has ended. Of a session that is dead already the server takes it.
func (c *seedControl) close() {
	ctx, cancel := context.WithTimeout(context.Background(), controlEvery)
	defer cancel()
	_, _ = c.session.ExecContext(ctx, "DO RELEASE_LOCK(?)", seedLock)
	c.session.Close()
}

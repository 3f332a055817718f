package conflict

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/report"
)

// Report is what both sides wrote while both took writes. It holds no
// row's content but its keys.
type Report struct {
	Pair    string           `json:"pair"`
	Left    replication.Side `json:"left"`    // the side that the writers left
	Entered replication.Side `json:"entered"` // the one they went to
	// Start is where each side's log was read from, End what the side that was
	// left held after its fence.
	Start    WindowStart `json:"start"`
	End      string      `json:"end"`
	Opened   time.Time   `json:"opened"` // by the controller's clock
	Finished time.Time   `json:"finished"`
	// Complete is false when the entered side lacked transactions of the other:
	// its link had stopped.
	Complete bool `json:"complete"`
	// Wrote is what was written by clients of the side that was left, and of the other.
	Wrote [2]Side `json:"wrote"`
	// InTurn counts the rows that both sides wrote, one after the other: each
	// write was made with the other's in place. That is no conflict.
	InTurn int64 `json:"in_turn"`
	// Found counts the keys that both sides wrote without having the other's
	// write; Conflicts lists the first of them.
	Found     int64      `json:"found"`
	Conflicts []Conflict `json:"conflicts,omitempty"`
	// Unsure is what the logs cannot tell: statements, DDL, keys over expressions.
	Unsure []string      `json:"unsure,omitempty"`
	Took   time.Duration `json:"took"`
}

// Side is what the clients of one server wrote.
type Side struct {
	Transactions int64     `json:"transactions"`
	Rows         int64     `json:"rows"`
	First        time.Time `json:"first,omitzero"` // by the server's clock
	Last         time.Time `json:"last,omitzero"`
}

// Conflict is a key that both sides wrote.
type Conflict struct {
	Table   string `json:"table"`            // schema.table
	Unique  string `json:"unique,omitempty"` // the unique key, if it is not the primary one
	Key     string `json:"key"`              // its values as SQL literals
	Left    Write  `json:"left"`
	Entered Write  `json:"entered"`
	Times   int64  `json:"times"` // writes of the entered side that conflict
}

// Write is one side's write: where to look for the row's images.
type Write struct {
	GTID string    `json:"gtid"`
	At   time.Time `json:"at"` // by the server's clock
	What string    `json:"what"`
}

// String is one line for the operator.
func (c Conflict) String() string {
	key := "key"
	if c.Unique != "" {
		key = "unique key " + c.Unique
	}
	return fmt.Sprintf("%s %s %s: %s by %s at %s, %s by %s at %s", c.Table, key, c.Key,
		c.Left.What, c.Left.GTID, c.Left.At.Format(time.TimeOnly), c.Entered.What, c.Entered.GTID, c.Entered.At.Format(time.TimeOnly))
}

func (s *Side) saw(at time.Time) {
	if s.First.IsZero() {
		s.First = at
	}
	s.Last = at
}

// Summary is one line for the operator.
func (r Report) Summary() string {
	what := "no row was written on both sides at once"
	switch {
	case r.Found > 0:
		what = fmt.Sprintf("%d keys were written on both sides at once", r.Found)
	case !r.Complete:
		what = "no row was written on both sides at once, as far as the link came"
	}
	text := fmt.Sprintf("%s: %d transactions on the %s, %d on the %s; %d rows in turn", what,
		r.Wrote[0].Transactions, r.Left, r.Wrote[1].Transactions, r.Entered, r.InTurn)
	if len(r.Unsure) > 0 {
		text += fmt.Sprintf("; %d things that the logs cannot tell", len(r.Unsure))
	}
	return text
}

// WindowStart is the transactions of each server's log that are older than a window.
type WindowStart struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// Of returns the start in the log of a side.
func (w WindowStart) Of(side replication.Side) string {
	if side == replication.Source {
		return w.Source
	}
	return w.Target
}

// Window is when both sides of a pair began to take writes.
type Window struct {
	Pair   string      `json:"pair"`
	Start  WindowStart `json:"start"`
	Opened time.Time   `json:"opened"`
	Closed bool        `json:"closed"` // one side is fenced again, and all of it was reported
}

// Store keeps a pair's window and its last reports.
type Store interface {
	// ConflictWindow returns the last window; ok is false when there is none.
	ConflictWindow(ctx context.Context, pair string) (w Window, ok bool, err error)
	// SaveConflictWindow replaces it; a nil window forgets it.
	SaveConflictWindow(ctx context.Context, pair string, w *Window) error
	// ConflictReport returns the last report of a switch that entered a side; ok
	// is false when there is none.
	ConflictReport(ctx context.Context, pair string, entered replication.Side) (r Report, ok bool, err error)
	// SaveConflictReport keeps a report and says where.
	SaveConflictReport(ctx context.Context, r Report) (where string, err error)
}

const (
	conflictWrites = 1 << 19 // held in memory: some 60 MB
	conflictsMost  = 1000    // listed
)

// reportConflicts reads both logs of a window whose side `left` is fenced.
func reportConflicts(ctx context.Context, pair replication.Pair, w Window, enter replication.Side, wait time.Duration) (Report, error) {
	began := time.Now()
	left, entered := pair.Of(enter.Other()), pair.Of(enter)
	report := Report{Pair: pair.Name, Left: left.Side(), Entered: entered.Side(), Start: w.Start, Opened: w.Opened}
	scan := &conflictScan{
		schemas: pair.Schemas, limit: conflictWrites, most: conflictsMost, report: &report, collator: binlog.Collator{Server: entered},
	}
	linkErr, err := scan.bounds(ctx, left, entered, wait)
	if err != nil {
		return report, err
	}
	report.Complete = linkErr == nil
	for i, s := range []*replication.Server{left, entered} {
		if scan.ids[i], err = binlog.ReadOrigin(ctx, s); err != nil {
			return report, err
		}
	}
	if err := scan.withReaders(ctx, left, entered); err != nil {
		return report, err
	}
	report.Finished = time.Now().UTC()
	report.Took = time.Since(began)
	return report, linkErr
}

// bounds reads where the window begins and ends. linkErr says that the entered
// side lacks transactions of the other, and why.
func (c *conflictScan) bounds(ctx context.Context, left, entered *replication.Server, wait time.Duration) (linkErr, err error) {
	dialect, err := left.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	for i, s := range []*replication.Server{left, entered} {
		if c.start[i], err = replication.ParseGTIDSet(dialect.Flavor, c.report.Start.Of(s.Side())); err != nil {
			return nil, err
		}
	}
	waiting, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("not there within %s", wait))
	defer cancel()
	goal, err := link.SettledGTIDs(waiting, left, entered)
	if err != nil {
		return nil, err
	}
	c.report.End = goal.String()
	has, err := replication.Executed(ctx, entered)
	if err != nil {
		return nil, err
	}
	if !has.Contains(goal) {
		if linkErr = link.WaitFor(waiting, left, entered, goal); linkErr != nil && ctx.Err() != nil {
			return nil, linkErr
		}
	}
	for i, s := range []*replication.Server{left, entered} {
		if c.goal[i], err = binlog.Logged(ctx, s); err != nil {
			return nil, err
		}
	}
	return linkErr, nil
}

func (c *conflictScan) withReaders(ctx context.Context, left, entered *replication.Server) (err error) {
	for _, s := range []struct {
		server *replication.Server
		reader **binlog.Reader
	}{{left, &c.left}, {entered, &c.entered}} {
		reader, err := binlog.Open(ctx, s.server)
		if reader != nil {
			defer func() { err = errors.Join(err, reader.Close(ctx)) }()
		}
		if err != nil {
			return err
		}
		*s.reader = reader
	}
	return c.run(ctx)
}

// windowStart reads where a window begins: with what is not on both sides yet.
// A position must be in the log that is read from it, which on MariaDB is sure
// only for the last of each domain there and for the server's own.
func windowStart(ctx context.Context, p replication.Pair) (WindowStart, error) {
	var own [2]replication.GTIDSet
	var has [2]replication.GTIDSet
	for i, s := range []*replication.Server{p.Source, p.Target} {
		var err error
		if own[i], err = binlog.Logged(ctx, s); err != nil {
			return WindowStart{}, err
		}
		if has[i], err = replication.Executed(ctx, s); err != nil {
			return WindowStart{}, err
		}
	}
	var start [2]string
	for i, s := range []*replication.Server{p.Source, p.Target} {
		common := has[i].Intersect(has[1-i])
		if has[i].ByDomain() {
			id, err := binlog.ReadOrigin(ctx, s)
			if err != nil {
				return WindowStart{}, err
			}
			others := slices.DeleteFunc(common.Domains(), func(d uint32) bool { return d == id.Domain })
			common = own[i].Without(id.Domain).Union(common.Without(others...))
		}
		start[i] = common.String()
	}
	return WindowStart{start[0], start[1]}, nil
}

// noteConflicts tells the run what was found. Keys stay out of the journal:
// they may be tokens; the report is for the operator alone.
func noteConflicts(ctx context.Context, r Report, where string) {
	const most = 5
	report.Note(ctx, "%s: %s", r.Pair, r.Summary())
	tables := map[string]int{}
	for _, c := range r.Conflicts {
		tables[c.Table]++
	}
	for i, name := range slices.Sorted(maps.Keys(tables)) {
		if i == most {
			report.Note(ctx, "%s: H1: and %d more tables", r.Pair, len(tables)-most)
			break
		}
		report.Note(ctx, "%s: H1: %s: %d keys", r.Pair, name, tables[name])
	}
	if r.Found > int64(len(r.Conflicts)) {
		report.Note(ctx, "%s: the report lists the first %d of %d keys", r.Pair, len(r.Conflicts), r.Found)
	}
	if r.Found > 0 || len(r.Unsure) > 0 {
		report.Note(ctx, "%s: see %s; docs/conflicts.md says what to do", r.Pair, where)
	}
}

package replication

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/plan"
)

// VerifyOptions say how a verify runs; the zero value is good.
type VerifyOptions struct {
	// From is the side that takes the writes; the other must hold the same once
	// it has caught up. Default Source.
	From Side
	// ChunkRows is the number of rows hashed at a time; default 5000.
	ChunkRows int
	// Parallel is the number of tables compared side by side; default 2.
	Parallel int
	// Wait is how long the other side may take to execute what From has; default 30 s.
	Wait time.Duration
	// MaxDifferences stops the listing, not the counting; default 100.
	MaxDifferences int
}

// VerifyReport is what a verify found. It holds no row's content but its key.
type VerifyReport struct {
	Pair        string        `json:"pair"`
	From        Side          `json:"from"`
	Started     time.Time     `json:"started"`
	Finished    time.Time     `json:"finished"`
	GTIDs       string        `json:"gtids"` // of From when it began
	Tables      int64         `json:"tables"`
	Rows        int64         `json:"rows"`
	Chunks      int64         `json:"chunks"`
	Reread      int64         `json:"reread"` // chunks that were in flight and agreed later
	Objects     int64         `json:"objects"`
	Accounts    int64         `json:"accounts"`
	Found       int64         `json:"found"` // differences
	Differences []Difference  `json:"differences,omitempty"`
	Took        time.Duration `json:"took"`
}

// Difference is one thing that is not the same on both sides.
type Difference struct {
	Object string `json:"object"`        // "schema.table", "trigger schema.name", "account `u`@`h`"
	Key    string `json:"key,omitempty"` // of a row, as SQL literals
	What   string `json:"what"`
}

// String is one line for the operator.
func (d Difference) String() string {
	if d.Key != "" {
		return d.Object + " key " + d.Key + ": " + d.What
	}
	return d.Object + ": " + d.What
}

// Clean reports whether both sides hold the same.
func (r VerifyReport) Clean() bool { return r.Found == 0 }

// Summary is one line for the operator.
func (r VerifyReport) Summary() string {
	return fmt.Sprintf("%d rows in %d tables, %d objects, %d accounts compared in %s, %d chunks read again, %d differences",
		r.Rows, r.Tables, r.Objects, r.Accounts, r.Took.Round(time.Millisecond), r.Reread, r.Found)
}

// Verify compares every row and every definition of a pair while both sides
// are live, without locks and without a write. The servers hash chunks of rows;
// a chunk that differs is read again after the other side has executed what the
// first read can have seen; what differs then is compared row by row. An error
// means that it could not be finished; differences are in the report.
func Verify(ctx context.Context, pair Pair, opts VerifyOptions) (VerifyReport, error) {
	opts.From = cmp.Or(opts.From, Source)
	opts.ChunkRows = cmp.Or(opts.ChunkRows, 5000)
	opts.Parallel = cmp.Or(opts.Parallel, 2)
	opts.Wait = cmp.Or(opts.Wait, 30*time.Second)
	opts.MaxDifferences = cmp.Or(opts.MaxDifferences, 100)
	v := &verifier{
		pair: pair, opts: opts, from: pair.Of(opts.From), to: pair.Of(opts.From.Other()),
		report: VerifyReport{Pair: pair.Name, From: opts.From, Started: time.Now()},
	}
	if err := v.run(ctx); err != nil {
		return v.report, fmt.Errorf("verify %s: %w", pair.Name, err)
	}
	v.report.Finished = time.Now()
	v.report.Took = v.report.Finished.Sub(v.report.Started)
	slices.SortStableFunc(v.report.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Key, b.Key))
	})
	return v.report, nil
}

type verifier struct {
	pair           Pair
	opts           VerifyOptions
	from, to       *Server
	dialect, other *Dialect
	ownDomain      uint32 // of to

	mu     sync.Mutex
	report VerifyReport
	shown  time.Time
}

func (v *verifier) run(ctx context.Context) error {
	from, dialect, err := v.from.Open(ctx)
	if err != nil {
		return err
	}
	to, other, err := v.to.Open(ctx)
	if err != nil {
		return err
	}
	v.dialect, v.other = dialect, other
	if v.ownDomain, err = other.NativeDomain(ctx, to); err != nil {
		return err
	}
	gtids, err := v.caughtUp(ctx) // so that what is compared first is not all in flight
	if err != nil {
		return err
	}
	v.report.GTIDs = gtids.String()
	schemas, err := schemaNames(ctx, from, v.pair.Schemas)
	if err != nil {
		return err
	}
	for _, schema := range schemas {
		if err := v.compareObjects(ctx, schema); err != nil {
			return err
		}
	}
	if err := v.compareAccounts(ctx); err != nil {
		return err
	}
	for _, schema := range schemas {
		if err := v.compareSchema(ctx, schema); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) compareSchema(ctx context.Context, schema string) error {
	db, err := v.from.DB(ctx)
	if err != nil {
		return err
	}
	tables, err := readTables(ctx, db, schema)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(v.opts.Parallel)
	for _, t := range tables {
		group.Go(func() error { return v.compareTable(ctx, t) })
	}
	return group.Wait()
}

// caughtUp reads what `from` has executed and waits until `to` has it too.
func (v *verifier) caughtUp(ctx context.Context) (GTIDSet, error) {
	from, err := v.from.DB(ctx)
	if err != nil {
		return GTIDSet{}, err
	}
	set, err := v.dialect.ExecutedGTIDs(ctx, from)
	if err != nil {
		return GTIDSet{}, v.from.wrap("read the executed transactions", err)
	}
	to, err := v.to.DB(ctx)
	if err != nil {
		return GTIDSet{}, err
	}
	have, err := v.other.ExecutedGTIDs(ctx, to)
	if err != nil {
		return GTIDSet{}, v.to.wrap("read the executed transactions", err)
	}
	wait := set.Without(v.ownDomain)
	if have.Contains(wait) && !v.other.mariadb() {
		return set, nil
	}
	reached, err := v.other.WaitGTIDs(ctx, to, wait, v.opts.Wait)
	if err != nil {
		return GTIDSet{}, v.to.wrap("wait for the link", err)
	}
	if !reached {
		return GTIDSet{}, plan.WithHint(fmt.Errorf("%s has not executed %s within %s", v.to.Name(), wait.Minus(have), v.opts.Wait),
			"look at the link with migrate status; verify needs it to run")
	}
	return set, nil
}

// differ reports a difference.
func (v *verifier) differ(d Difference) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Found++
	if len(v.report.Differences) < v.opts.MaxDifferences {
		v.report.Differences = append(v.report.Differences, d)
	}
}

// count adds to the report under its lock.
func (v *verifier) count(add func(*VerifyReport)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	add(&v.report)
}

// progress shows the rows compared so far.
func (v *verifier) progress(ctx context.Context, t table) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := time.Now(); now.Sub(v.shown) >= reportEvery {
		v.shown = now
		plan.Report(ctx, plan.Progress{Done: v.report.Rows, Unit: "rows", What: t.title()})
	}
}

// sum is the hash of a set of rows.
type sum struct {
	Rows     int64
	One, Two string
}

func (v *verifier) hash(ctx context.Context, s *Server, t table, condition string) (sum, error) {
	session, err := s.DB(ctx)
	if err != nil {
		return sum{}, err
	}
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return sum{}, err
	}
	var out sum
	err = session.QueryRowContext(ctx, t.hashQuery(dialect, condition)).Scan(&out.Rows, &out.One, &out.Two)
	if err != nil {
		return sum{}, s.wrap("hash "+t.title(), err)
	}
	return out, nil
}

// hashBoth hashes the same rows on both sides at once.
func (v *verifier) hashBoth(ctx context.Context, t table, condition string) (a, b sum, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { a, err = v.hash(ctx, v.from, t, condition); return err })
	group.Go(func() (err error) { b, err = v.hash(ctx, v.to, t, condition); return err })
	return a, b, group.Wait()
}

// absent recognises a table or column that only one side has; the definitions
// have reported it.
func absent(err error) bool {
	number := errorNumber(err)
	return number == 1146 || number == 1054 || errors.Is(err, errGone)
}

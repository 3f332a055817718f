package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/report"
)

// Options say how a verify runs; the zero value is good.
type Options struct {
	// From is the side that takes the writes; the other must hold the same once
	// it has caught up. Default Source.
	From replication.Side
	// Tables are the tables to compare, as schema.table; none: everything. A
	// report of some tables is no clean verify for the gate.
	Tables []string
	// ChunkRows is the most rows that are hashed at a time; default 2,000,000. How
	// many they are depends on the time that they take.
	ChunkRows int
	// Parallel is the number of chunks compared side by side, each on a
	// connection of its own to either side; default 2.
	Parallel int
	// Wait is how long the other side may take to execute what From has; default 30 s.
	Wait time.Duration
	// MaxDifferences stops the listing, not the counting; default 100.
	MaxDifferences int
	// Progress is told how far the verify is, twice a second; nil is report.Show.
	Progress func(report.Progress)
}

// Report is what a verify found. It holds no row's content but its key.
type Report struct {
	Pair        string           `json:"pair"`
	From        replication.Side `json:"from"`
	Part        []string         `json:"part,omitempty"` // the tables that were asked for; none: everything
	Started     time.Time        `json:"started"`
	Finished    time.Time        `json:"finished"`
	GTIDs       string           `json:"gtids"` // of From when it began
	Tables      int64            `json:"tables"`
	Rows        int64            `json:"rows"`
	Chunks      int64            `json:"chunks"`
	Reread      int64            `json:"reread"` // chunks that were in flight and agreed later
	Objects     int64            `json:"objects"`
	Accounts    int64            `json:"accounts"`
	Found       int64            `json:"found"` // differences
	Differences []Difference     `json:"differences,omitempty"`
	Took        time.Duration    `json:"took"`
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

// Clean reports whether both sides hold the same, as far as they were compared.
func (r Report) Clean() bool { return r.Found == 0 }

// Whole reports whether everything was compared.
func (r Report) Whole() bool { return len(r.Part) == 0 }

// Summary is one line for the operator.
func (r Report) Summary() string {
	part := ""
	if !r.Whole() {
		part = "; a part only, which no gate counts"
	}
	return fmt.Sprintf("%d rows in %d tables, %d objects, %d accounts compared in %s, %d chunks read again, %d differences%s",
		r.Rows, r.Tables, r.Objects, r.Accounts, r.Took.Round(time.Millisecond), r.Reread, r.Found, part)
}

// Run compares every row and every definition of a pair while both sides
// are live, without locks and without a write, and holds no transaction open
// for long. The servers hash chunks of rows; a chunk that differs is read again
// after the other side has executed what the first read can have seen, in ever
// smaller pieces; what differs then is followed row by row. An error means that
// it could not be finished; differences are in the report.
func Run(ctx context.Context, pair replication.Pair, opts Options) (Report, error) {
	v := newVerifier(pair, opts)
	err := v.run(ctx)
	return v.report, err
}

// newVerifier makes a verifier with the options' defaults.
func newVerifier(pair replication.Pair, opts Options) *verifier {
	opts.From = cmp.Or(opts.From, replication.Source)
	opts.ChunkRows = cmp.Or(opts.ChunkRows, 2_000_000)
	opts.Parallel = cmp.Or(opts.Parallel, 2)
	opts.Wait = cmp.Or(opts.Wait, 30*time.Second)
	opts.MaxDifferences = cmp.Or(opts.MaxDifferences, 100)
	return &verifier{
		pair: pair, opts: opts, from: pair.Of(opts.From), to: pair.Of(opts.From.Other()), limit: readLimit, wave: schema.BatchTables,
		report: Report{Pair: pair.Name, From: opts.From, Part: opts.Tables},
	}
}

type verifier struct {
	pair           replication.Pair
	opts           Options
	from, to       *replication.Server
	dialect, other *dialect.Dialect
	ownDomain      uint32        // of to
	limit          time.Duration // of a statement
	wave           int           // tables that are taken up together

	mu     sync.Mutex
	report Report
	rows   []rowDifference // the first rows that differ
	total  int64           // rows, as the server estimates
	shown  time.Time
}

// run compares, and completes the report.
func (v *verifier) run(ctx context.Context) error {
	v.report.Started = time.Now()
	if err := v.compare(ctx); err != nil {
		return fmt.Errorf("verify %s: %w", v.pair.Name, err)
	}
	v.report.Finished = time.Now()
	v.report.Took = v.report.Finished.Sub(v.report.Started)
	slices.SortStableFunc(v.report.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Key, b.Key))
	})
	return nil
}

// open logs in to both sides.
func (v *verifier) open(ctx context.Context) (err error) {
	if _, v.dialect, err = v.from.Open(ctx); err != nil {
		return err
	}
	to, other, err := v.to.Open(ctx)
	if err != nil {
		return err
	}
	v.other = other
	v.ownDomain, err = other.NativeDomain(ctx, to)
	return err
}

func (v *verifier) compare(ctx context.Context) error {
	if err := v.open(ctx); err != nil {
		return err
	}
	from, err := v.from.DB(ctx)
	if err != nil {
		return err
	}
	gtids, err := v.caughtUp(ctx) // so that what is compared first is not all in flight
	if err != nil {
		return err
	}
	v.report.GTIDs = gtids.String()
	schemas, err := schema.Names(ctx, from, v.pair.Schemas)
	if err != nil {
		return err
	}
	waves, err := schema.NewBatches(ctx, v.from, schemas, v.wave)
	if err != nil {
		return err
	}
	if err := v.known(ctx, waves); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return v.compareDefinitions(ctx, waves) })
	group.Go(func() error { return v.compareWaves(ctx, waves) })
	return group.Wait()
}

// compareWaves compares the tables, so many at a time as there is memory for.
func (v *verifier) compareWaves(ctx context.Context, waves *schema.Batches) error {
	all, seen, rows := waves.Tables(), 0, int64(0)
	return waves.Each(ctx, func(w schema.Batch) error {
		seen += waves.TablesOf(w)
		if len(v.opts.Tables) > 0 {
			maps.DeleteFunc(w.Kinds, func(id table.Name, _ string) bool { return !v.asked(id.Schema + "." + id.Name) })
		}
		if len(w.Kinds) == 0 {
			return nil
		}
		tables, err := readVerifyTables(ctx, v.from, w)
		if err != nil {
			return err
		}
		for _, t := range tables {
			rows += t.rows
			t.crc32c = v.dialect.HasCRC32C() && v.other.HasCRC32C()
		}
		v.mu.Lock()
		v.total = rows
		if len(v.opts.Tables) == 0 && seen > 0 && all > seen {
			v.total = int64(float64(rows) * float64(all) / float64(seen)) // the later ones as those so far
		}
		v.mu.Unlock()
		return v.compareTables(ctx, tables)
	})
}

// known refuses a table that is asked for and is not there.
func (v *verifier) known(ctx context.Context, waves *schema.Batches) error {
	if len(v.opts.Tables) == 0 {
		return nil
	}
	missing := slices.Clone(v.opts.Tables)
	err := waves.Each(ctx, func(w schema.Batch) error {
		missing = slices.DeleteFunc(missing, func(title string) bool {
			return slices.ContainsFunc(w.Schemas, func(schemaName string) bool {
				name, ok := strings.CutPrefix(title, schemaName+".")
				return ok && w.Kinds[table.Name{Schema: schemaName, Name: name}] == schema.KindTable
			})
		})
		return nil
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	return report.WithHint(fmt.Errorf("%s has no table %s", v.from.Name(), missing[0]), "name it as schema.table, of a schema that databases[].schemas lists")
}

// asked reports whether a table is to be compared.
func (v *verifier) asked(title string) bool {
	return len(v.opts.Tables) == 0 || slices.Contains(v.opts.Tables, title)
}

// caughtUp reads what `from` has executed and waits until `to` has it too.
func (v *verifier) caughtUp(ctx context.Context) (replication.GTIDSet, error) {
	set, missing, err := v.await(ctx, v.opts.Wait)
	if err == nil && !missing.IsEmpty() {
		err = report.WithHint(fmt.Errorf("%s has not executed %s within %s", v.to.Name(), missing, v.opts.Wait),
			"look at the link with migrate status; verify needs it to run")
	}
	return set, err
}

// await is caughtUp for at most limit; missing is what `to` has not executed then.
func (v *verifier) await(ctx context.Context, limit time.Duration) (set, missing replication.GTIDSet, err error) {
	if set, err = replication.Executed(ctx, v.from); err != nil {
		return set, missing, err
	}
	have, err := replication.Executed(ctx, v.to)
	if err != nil {
		return set, missing, err
	}
	wait := set.Without(v.ownDomain)
	if have.Contains(wait) && v.other.ExecutedAreVisible() {
		return set, missing, nil
	}
	to, err := v.to.DB(ctx)
	if err != nil {
		return set, missing, err
	}
	reached, err := replication.WaitGTIDs(ctx, to, v.other, wait, limit)
	if err != nil {
		return set, missing, v.to.Wrap("wait for the link", err)
	}
	if !reached {
		missing = wait.Minus(have)
	}
	return set, missing, nil
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
func (v *verifier) count(add func(*Report)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	add(&v.report)
}

// compared counts a chunk's rows, and shows how far the verify is.
func (v *verifier) compared(ctx context.Context, t *verifyTable, rows int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Chunks++
	v.report.Rows += rows
	now := time.Now()
	if now.Sub(v.shown) < showEvery {
		return
	}
	v.shown = now
	p := report.Progress{Done: v.report.Rows, Total: max(v.total, v.report.Rows), Unit: "rows", What: t.Title()}
	if v.opts.Progress != nil {
		v.opts.Progress(p)
		return
	}
	report.Show(ctx, p)
}

// showEvery is how often progress is shown.
const showEvery = 500 * time.Millisecond

// absent recognises a table or column that only one side has; the definitions
// have reported it.
func absent(err error) bool {
	number := query.ErrorNumber(err)
	return number == 1146 || number == 1054 || errors.Is(err, replication.ErrGone)
}

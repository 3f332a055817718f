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

// Options say how a verify runs. The zero value has the defaults.
type Options struct {
	// From is the side that takes the writes; the other side must hold the same rows
	// once it has caught up. Default Source.
	From replication.Side
	// Tables are the tables to compare, as schema.table; none: everything. The gate
	// does not count a report of some tables.
	Tables []string
	// ChunkRows is the most rows that are hashed at a time; default 2,000,000. The
	// actual number depends on the time that they take.
	ChunkRows int
	// Parallel is the number of chunks compared at a time, each on its own connection
	// to either side; default 2.
	Parallel int
	// Wait is how long the other side may take to execute what From has; default 30 s.
	Wait time.Duration
	// MaxDifferences stops the listing, not the counting; default 100.
	MaxDifferences int
	// Progress is told how far the verify is, twice a second; nil is report.Show.
	Progress func(report.Progress)
}

// Report is what a verify found. Of a row it holds nothing but the key.
type Report struct {
	Pair     string           `json:"pair"`
	From     replication.Side `json:"from"`
	Part     []string         `json:"part,omitempty"` // the tables that were asked for; none: everything
	Started  time.Time        `json:"started"`
	Finished time.Time        `json:"finished"`
	GTIDs    string           `json:"gtids"` // of From when it began
	// Starts are when the servers started that were compared, in seconds since 1970. A
	// restart may have lost rows on one side: a verify from before it does not count.
	Starts      map[replication.Side]int64 `json:"starts,omitempty"`
	Tables      int64                      `json:"tables"`
	Rows        int64                      `json:"rows"`
	Chunks      int64                      `json:"chunks"`
	Reread      int64                      `json:"reread"` // chunks that differed at first, and were read again
	Objects     int64                      `json:"objects"`
	Accounts    int64                      `json:"accounts"`
	Found       int64                      `json:"found"` // differences
	Differences []Difference               `json:"differences,omitempty"`
	// LeftOut are objects and grants that the seed leaves out because the source itself cannot
	// use them, each with the reason. They are not compared.
	LeftOut []string `json:"left_out,omitempty"`
	// NotCompared is what a verify of everything does not compare, each with the reason.
	NotCompared []string      `json:"not_compared,omitempty"`
	Took        time.Duration `json:"took"`
}

// Difference is a row, an object or an account that is not the same on both sides.
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

// Clean reports whether nothing that was compared differs.
func (r Report) Clean() bool { return r.Found == 0 }

// Whole reports whether everything was compared.
func (r Report) Whole() bool { return len(r.Part) == 0 }

// Summary is one line for the operator.
func (r Report) Summary() string {
	part := ""
	if !r.Whole() {
		part = "; a part only, which no gate counts"
	}
	if n := len(r.LeftOut); n > 0 {
		part = fmt.Sprintf("; %d left out", n) + part
	}
	return fmt.Sprintf("%d rows in %d tables, %d objects, %d accounts compared in %s, %d chunks read again, %d differences%s",
		r.Rows, r.Tables, r.Objects, r.Accounts, r.Took.Round(time.Millisecond), r.Reread, r.Found, part)
}

// Run compares every row and every definition of a pair while both sides are live. It
// takes no lock, writes nothing, and holds no transaction open for long. The servers
// hash chunks of rows. A chunk that differs is read again after the other side has
// executed what the first read can have seen, then in ever smaller pieces; rows that
// still differ are followed one by one. Differences are in the report; an error means
// that the verify could not finish.
func Run(ctx context.Context, pair replication.Pair, opts Options) (Report, error) {
	v := newVerifier(pair, opts)
	err := v.run(ctx)
	return v.report, err
}

// newVerifier returns a verifier, with defaults for the options that are not set.
func newVerifier(pair replication.Pair, opts Options) *verifier {
	opts.From = cmp.Or(opts.From, replication.Source)
	opts.ChunkRows = cmp.Or(opts.ChunkRows, 2_000_000)
	opts.Parallel = cmp.Or(opts.Parallel, 2)
	opts.Wait = cmp.Or(opts.Wait, 30*time.Second)
	opts.MaxDifferences = cmp.Or(opts.MaxDifferences, 100)
	return &verifier{
		pair: pair, opts: opts, from: pair.Of(opts.From), to: pair.Of(opts.From.Other()), limit: readLimit, batchTables: schema.BatchTables,
		report: Report{Pair: pair.Name, From: opts.From, Part: opts.Tables},
	}
}

// verifier is a verify in progress.
type verifier struct {
	pair        replication.Pair
	opts        Options
	from, to    *replication.Server
	fromDialect *dialect.Dialect
	toDialect   *dialect.Dialect
	toDomain    uint32        // the GTID domain of the other side's own transactions
	limit       time.Duration // of a statement
	batchTables int           // tables that are compared together

	mu        sync.Mutex
	report    Report
	rows      []rowDifference // the first rows that differ
	totalRows int64           // the server's estimate
	shownAt   time.Time       // of the progress
}

// run compares everything, and completes the report.
func (v *verifier) run(ctx context.Context) error {
	v.report.Started = time.Now()
	if err := v.compare(ctx); err != nil {
		return fmt.Errorf("verify %s: %w", v.pair.Name, err)
	}
	v.report.Finished = time.Now()
	v.report.Took = v.report.Finished.Sub(v.report.Started)
	slices.Sort(v.report.LeftOut)
	slices.SortStableFunc(v.report.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Key, b.Key))
	})
	return nil
}

// open logs in to both sides.
func (v *verifier) open(ctx context.Context) (err error) {
	if _, v.fromDialect, err = v.from.Open(ctx); err != nil {
		return err
	}
	to, toDialect, err := v.to.Open(ctx)
	if err != nil {
		return err
	}
	v.toDialect = toDialect
	v.toDomain, err = toDialect.NativeDomain(ctx, to)
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
	gtids, err := v.waitCaughtUp(ctx) // so that what is compared first is not all in flight
	if err != nil {
		return err
	}
	v.report.GTIDs = gtids.String()
	if v.report.Starts, err = starts(ctx, v.pair); err != nil {
		return err
	}
	schemas, err := schema.Names(ctx, from, v.pair.Schemas)
	if err != nil {
		return err
	}
	batches, err := schema.NewBatches(ctx, v.from, schemas, v.batchTables)
	if err != nil {
		return err
	}
	if err := v.requireTables(ctx, batches); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return v.compareDefinitions(ctx, batches) })
	group.Go(func() error { return v.compareBatches(ctx, batches) })
	if len(v.opts.Tables) == 0 {
		v.report.NotCompared = notCompared()
		group.Go(func() error { return v.compareServers(ctx, schemas) })
	}
	return group.Wait()
}

// compareBatches compares the rows of the tables, batch by batch, so that memory stays
// small.
func (v *verifier) compareBatches(ctx context.Context, batches *schema.Batches) error {
	all, seen, rows := batches.Tables(), 0, int64(0)
	return batches.Each(ctx, func(b schema.Batch) error {
		seen += batches.TablesOf(b)
		if len(v.opts.Tables) > 0 {
			maps.DeleteFunc(b.Kinds, func(id table.Name, _ string) bool { return !v.isSelected(id.Schema + "." + id.Name) })
		}
		if len(b.Kinds) == 0 {
			return nil
		}
		if err := v.compareSequences(ctx, b); err != nil {
			return err
		}
		tables, err := readShapes(ctx, v.from, b)
		if err != nil {
			return err
		}
		for _, t := range tables {
			rows += t.rows
			t.crc32c = v.fromDialect.HasCRC32C() && v.toDialect.HasCRC32C()
		}
		v.mu.Lock()
		v.totalRows = rows
		if len(v.opts.Tables) == 0 && seen > 0 && all > seen {
			v.totalRows = int64(float64(rows) * float64(all) / float64(seen)) // the later tables are taken to be like those so far
		}
		v.mu.Unlock()
		return v.compareTables(ctx, tables)
	})
}

// requireTables returns an error if a table of Options.Tables does not exist.
func (v *verifier) requireTables(ctx context.Context, batches *schema.Batches) error {
	if len(v.opts.Tables) == 0 {
		return nil
	}
	missing := slices.Clone(v.opts.Tables)
	err := batches.Each(ctx, func(b schema.Batch) error {
		missing = slices.DeleteFunc(missing, func(title string) bool {
			return slices.ContainsFunc(b.Schemas, func(schemaName string) bool {
				name, ok := strings.CutPrefix(title, schemaName+".")
				return ok && b.Kinds[table.Name{Schema: schemaName, Name: name}] == schema.KindTable
			})
		})
		return nil
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	return report.WithHint(fmt.Errorf("%s has no table %s", v.from.Name(), missing[0]), "name it as schema.table, of a schema that databases[].schemas lists")
}

// isSelected reports whether a table is to be compared.
func (v *verifier) isSelected(title string) bool {
	return len(v.opts.Tables) == 0 || slices.Contains(v.opts.Tables, title)
}

// waitCaughtUp reads what the writer's side has executed, and waits until the other side
// has executed it too.
func (v *verifier) waitCaughtUp(ctx context.Context) (replication.GTIDSet, error) {
	set, missing, err := v.awaitExecuted(ctx, v.opts.Wait)
	if err == nil && !missing.IsEmpty() {
		err = report.WithHint(fmt.Errorf("%s has not executed %s within %s", v.to.Name(), missing, v.opts.Wait),
			"look at the link with migrate status; verify needs it to run")
	}
	return set, err
}

// awaitExecuted is waitCaughtUp for at most limit; missing is what the other side has not
// executed then.
func (v *verifier) awaitExecuted(ctx context.Context, limit time.Duration) (set, missing replication.GTIDSet, err error) {
	if set, err = replication.Executed(ctx, v.from); err != nil {
		return set, missing, err
	}
	wait := set.Without(v.toDomain)
	to, err := v.to.DB(ctx)
	if err != nil {
		return set, missing, err
	}
	reached, err := replication.WaitGTIDs(ctx, to, v.toDialect, wait, limit)
	if err != nil {
		return set, missing, v.to.Wrap("wait for the link", err)
	}
	if !reached { // by what the side shows: MariaDB's log has transactions before their rows are visible
		have, err := replication.Visible(ctx, v.to)
		if err != nil {
			return set, missing, err
		}
		missing = wait.Minus(have)
	}
	return set, missing, nil
}

// addDifference adds a difference to the report.
func (v *verifier) addDifference(d Difference) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Found++
	if len(v.report.Differences) < v.opts.MaxDifferences {
		v.report.Differences = append(v.report.Differences, d)
	}
}

// update changes the report under its lock.
func (v *verifier) update(change func(*Report)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.report)
}

// addCompared counts a chunk and its rows, and shows the progress.
func (v *verifier) addCompared(ctx context.Context, t *tableShape, rows int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Chunks++
	v.report.Rows += rows
	now := time.Now()
	if now.Sub(v.shownAt) < progressInterval {
		return
	}
	v.shownAt = now
	p := report.Progress{Done: v.report.Rows, Total: max(v.totalRows, v.report.Rows), Unit: "rows", What: t.Title()}
	if v.opts.Progress != nil {
		v.opts.Progress(p)
		return
	}
	report.Show(ctx, p)
}

// progressInterval is how often progress is shown.
const progressInterval = 500 * time.Millisecond

// isAbsent reports whether err means that a table or column is missing on one side; the
// comparison of definitions reports it.
func isAbsent(err error) bool {
	number := query.ErrorNumber(err)
	return number == 1146 || number == 1054 || errors.Is(err, replication.ErrGone)
}

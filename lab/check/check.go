// Package check proves I1 from the outside: it compares what the clients were told
// with the contents of both databases, by plain SQL through the servers' own
// command-line client. It shares no code with migrate.
package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/lab/traffic"
)

// Database runs one SQL statement on a server and returns the rows as
// tab-separated lines without a header (mariadb --batch --skip-column-names).
type Database interface {
	Query(ctx context.Context, sql string) ([]byte, error)
}

// Finding is one write that a side does not have exactly once.
type Finding struct {
	Side string // source or target
	Kind traffic.Kind
	Op   string
	Text string
}

// Report is what the check found.
type Report struct {
	Acked         int // acknowledged writes that the check looked for
	Lost, Doubled []Finding
	Differences   []string // between the sides, and between a side's tally and its likes
}

// Clean reports whether nothing was found.
func (r Report) Clean() bool {
	return len(r.Lost) == 0 && len(r.Doubled) == 0 && len(r.Differences) == 0
}

// opQueries select the ops of each kind of write.
var opQueries = map[traffic.Kind]string{
	traffic.Publish: "SELECT op FROM blog.posts",
	traffic.Signup:  "SELECT op FROM blog.users",
	traffic.Confirm: "SELECT confirmed_op FROM blog.users WHERE confirmed_op IS NOT NULL",
	traffic.Like:    "SELECT op FROM blog.likes",
}

// tables are compared as a whole between the sides, by the servers' own checksum.
var tables = []string{"blog.users", "blog.posts", "blog.comments", "blog.likes", "blog.tallies"}

// History compares the log with both sides, and the sides with each other. Both
// links must have drained: see Drain.
func History(ctx context.Context, log traffic.Log, source, target Database) (Report, error) {
	r := Report{Acked: countAcknowledged(log)}
	for _, side := range []struct {
		name string
		db   Database
	}{{traffic.OldSite, source}, {traffic.NewSite, target}} {
		if err := r.addSide(ctx, log, side.name, side.db); err != nil {
			return r, fmt.Errorf("check %s: %w", side.name, err)
		}
	}
	return r, r.addDifferences(ctx, source, target)
}

// Side compares the log with one side only, for the time after the links have ended.
func Side(ctx context.Context, log traffic.Log, name string, db Database) (Report, error) {
	r := Report{Acked: countAcknowledged(log)}
	if err := r.addSide(ctx, log, name, db); err != nil {
		return r, fmt.Errorf("check %s: %w", name, err)
	}
	return r, nil
}

func countAcknowledged(log traffic.Log) int {
	n := 0
	for k := range opQueries {
		n += len(log.Acknowledged(k))
	}
	return n
}

// addSide looks for the log's writes in one side's database.
func (r *Report) addSide(ctx context.Context, log traffic.Log, name string, db Database) error {
	for kind, sql := range opQueries {
		out, err := db.Query(ctx, sql)
		if err != nil {
			return err
		}
		count := map[string]int{}
		for op := range strings.FieldsSeq(string(out)) {
			count[op]++
		}
		for _, op := range log.Acknowledged(kind) {
			if count[op] == 0 {
				r.Lost = append(r.Lost, Finding{name, kind, op, "acknowledged, but not there"})
			}
		}
		for _, rec := range log { // unacknowledged writes, too, may be there at most once
			if rec.Kind == kind && count[rec.Op] > 1 {
				r.Doubled = append(r.Doubled, Finding{name, kind, rec.Op, fmt.Sprintf("there %d times", count[rec.Op])})
			}
		}
	}
	return r.addTally(ctx, name, db)
}

// addTally compares the shared tally with the number of likes: each like adds one
// to it, so only the tally shows a lost update (H2).
func (r *Report) addTally(ctx context.Context, name string, db Database) error {
	out, err := db.Query(ctx, "SELECT (SELECT n FROM blog.tallies WHERE name = 'likes'), (SELECT COUNT(*) FROM blog.likes)")
	if err != nil {
		return err
	}
	fields := strings.Fields(string(out))
	if len(fields) != 2 {
		return fmt.Errorf("read tally: %q", out)
	}
	tally, err1 := strconv.Atoi(fields[0])
	rows, err2 := strconv.Atoi(fields[1])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if tally != rows {
		r.Differences = append(r.Differences, fmt.Sprintf("%s: the tally says %d likes, %d are there", name, tally, rows))
	}
	return nil
}

// addDifferences compares the tables of the two sides.
func (r *Report) addDifferences(ctx context.Context, source, target Database) error {
	for _, table := range tables {
		sql := "CHECKSUM TABLE " + table
		a, err := source.Query(ctx, sql)
		if err != nil {
			return err
		}
		b, err := target.Query(ctx, sql)
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			r.Differences = append(r.Differences, fmt.Sprintf("%s differs: source %s, target %s", table, bytes.TrimSpace(a), bytes.TrimSpace(b)))
		}
	}
	return nil
}

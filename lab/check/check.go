// Package check proves I1 from the outside: it holds what the clients were told
// against what stands in both databases, by plain SQL through the servers' own
// command-line client. It shares no code with the tool under test.
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

// Finding is one write that is not where it should be, exactly once.
type Finding struct {
	Side string // source or target
	Kind traffic.Kind
	Op   string
	Text string
}

// Report is what the check found.
type Report struct {
	Acked         int // acknowledged writes that were looked for
	Lost, Doubled []Finding
	Differences   []string // between the sides, and of sums that do not add up
}

// Clean reports whether nothing was found.
func (r Report) Clean() bool {
	return len(r.Lost) == 0 && len(r.Doubled) == 0 && len(r.Differences) == 0
}

// where each kind of write leaves its op.
var where = map[traffic.Kind]string{
	traffic.Publish: "SELECT op FROM blog.posts",
	traffic.Signup:  "SELECT op FROM blog.users",
	traffic.Confirm: "SELECT confirmed_op FROM blog.users WHERE confirmed_op IS NOT NULL",
	traffic.Like:    "SELECT op FROM blog.likes",
}

// tables are compared between the sides, whole, by the servers' own checksum.
var tables = []string{"blog.users", "blog.posts", "blog.comments", "blog.likes", "blog.tallies"}

// History checks the log against both sides, and the sides against each other.
// Both links must have drained: see Drain.
func History(ctx context.Context, log traffic.Log, source, target Database) (Report, error) {
	r := Report{Acked: acked(log)}
	for _, side := range []struct {
		name string
		db   Database
	}{{traffic.OldSite, source}, {traffic.NewSite, target}} {
		if err := r.side(ctx, log, side.name, side.db); err != nil {
			return r, fmt.Errorf("check %s: %w", side.name, err)
		}
	}
	return r, r.compare(ctx, source, target)
}

// Side checks the log against one side alone, as after the links have ended.
func Side(ctx context.Context, log traffic.Log, name string, db Database) (Report, error) {
	r := Report{Acked: acked(log)}
	if err := r.side(ctx, log, name, db); err != nil {
		return r, fmt.Errorf("check %s: %w", name, err)
	}
	return r, nil
}

func acked(log traffic.Log) int {
	n := 0
	for k := range where {
		n += len(log.Acknowledged(k))
	}
	return n
}

func (r *Report) side(ctx context.Context, log traffic.Log, name string, db Database) error {
	for kind, sql := range where {
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
		for _, rec := range log { // also the unacknowledged: at most once
			if rec.Kind == kind && count[rec.Op] > 1 {
				r.Doubled = append(r.Doubled, Finding{name, kind, rec.Op, fmt.Sprintf("there %d times", count[rec.Op])})
			}
		}
	}
	return r.tally(ctx, name, db)
}

// tally: each like added one to a shared row; a lost update shows only here (H2).
func (r *Report) tally(ctx context.Context, name string, db Database) error {
	out, err := db.Query(ctx, "SELECT (SELECT n FROM blog.tallies WHERE name = 'likes'), (SELECT COUNT(*) FROM blog.likes)")
	if err != nil {
		return err
	}
	f := strings.Fields(string(out))
	if len(f) != 2 {
		return fmt.Errorf("read tally: %q", out)
	}
	n, err1 := strconv.Atoi(f[0])
	rows, err2 := strconv.Atoi(f[1])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if n != rows {
		r.Differences = append(r.Differences, fmt.Sprintf("%s: the tally says %d likes, %d are there", name, n, rows))
	}
	return nil
}

func (r *Report) compare(ctx context.Context, source, target Database) error {
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

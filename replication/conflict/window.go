package conflict

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/link"
)

const (
	maxWrites    = 1 << 19 // of writes in memory: about 60 MB
	maxConflicts = 1000    // that a report lists
)

// scanWindow reads both logs of a window in a switch that enters a side; the side that
// is left is fenced. wait bounds how long the entered side may take to have all of the
// other's transactions. If it does not, the report is of what it has, and the error says
// why.
func scanWindow(ctx context.Context, pair replication.Pair, w Window, enter replication.Side, wait time.Duration) (Report, error) {
	began := time.Now()
	left, entered := pair.Of(enter.Other()), pair.Of(enter)
	report := Report{Pair: pair.Name, Left: left.Side(), Entered: entered.Side(), Start: w.Start, Opened: w.Opened}
	scan := &scan{
		schemas: pair.Schemas, limit: maxWrites, maxListed: maxConflicts, report: &report, collator: binlog.Collator{Server: entered},
	}
	linkErr, err := scan.readBounds(ctx, left, entered, wait)
	if err != nil {
		return report, err
	}
	report.Complete = linkErr == nil
	for i, s := range []*replication.Server{left, entered} {
		if scan.ids[i], err = binlog.ReadOrigin(ctx, s); err != nil {
			return report, err
		}
	}
	if err := scan.openAndRun(ctx, left, entered); err != nil {
		return report, err
	}
	report.Finished = time.Now().UTC()
	report.Took = time.Since(began)
	return report, linkErr
}

// readBounds reads where the window begins and ends in both logs. linkErr says why the
// entered side lacks transactions of the other.
func (c *scan) readBounds(ctx context.Context, left, entered *replication.Server, wait time.Duration) (linkErr, err error) {
	dialect, err := left.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	for i, s := range []*replication.Server{left, entered} {
		if c.start[i], err = replication.ParseGTIDSet(dialect.Flavor, c.report.Start.of(s.Side())); err != nil {
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

// openAndRun runs the scan with readers of both logs, which it opens and closes.
func (c *scan) openAndRun(ctx context.Context, left, entered *replication.Server) (err error) {
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

// windowStart reads where a window begins in each log: after the transactions that both
// sides have. The log that is read from a position must contain it. On MariaDB that is
// certain only for the last transaction of each domain in the log, and for the server's
// own transactions.
func windowStart(ctx context.Context, p replication.Pair) (WindowStart, error) {
	var logged, has [2]replication.GTIDSet
	for i, s := range []*replication.Server{p.Source, p.Target} {
		var err error
		if logged[i], err = binlog.Logged(ctx, s); err != nil {
			return WindowStart{}, err
		}
		if has[i], err = replication.Visible(ctx, s); err != nil {
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
			common = logged[i].Without(id.Domain).Union(common.Without(others...))
		}
		start[i] = common.String()
	}
	return WindowStart{start[0], start[1]}, nil
}

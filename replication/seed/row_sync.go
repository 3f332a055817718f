package seed

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/statement"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

const (
	segmentKeys      = 25_000 // of one segment; two are in memory
	keysPerStatement = 500    // keys of one statement
	preparedKeys     = 100    // keys that are worth a prepared statement
	recordInterval   = 5 * time.Second
	endedLimit       = 10 * time.Second // that a commit may take in the engine once it is in the log
)

// workerConns are the two connections of a worker.
type workerConns struct{ from, to *wire.Conn }

func (l workerConns) close() {
	l.from.Close()
	l.to.Close()
}

// rowSync brings the rows up to date that the log names as changed: it reads each again
// from the source by its key and makes the target's row equal, while it reads the next
// segment of the log.
//
// A row is read after its change is visible, so the target gets that state or a later one,
// and a later change is in a later segment of the log. Reading a row twice, or one that
// has not changed, does no harm.
type rowSync struct {
	*changes
	source      *replication.Server
	segmentKeys int
	workers     []workerConns
	throttle    *throttle.Throttle // nil inside the last snapshot, which must not wait
	// record notes the target's position. It does so durably if the position is whole: no
	// distributed transaction is prepared there whose rows would have to be known again.
	record func(ctx context.Context, position replication.GTIDSet, whole bool) error

	orphaned map[string]orphanedValue // of the segments so far, by the references' texts

	mu sync.Mutex // guards what the workers add to the segment that they sync

	ctx        context.Context //nolint:containedctx // the log's reader calls back without one
	goal       replication.GTIDSet
	reached    replication.GTIDSet // the target's position
	pending    []replication.GTID  // transactions that were read since the last segment
	inProgress *pendingSegment     // the previous segment
	recordedAt time.Time
	err        error
}

// pendingSegment is a segment whose rows are being brought up to date.
type pendingSegment struct {
	*logSegment
	transactions []replication.GTID // that the target has when it is done
	whole        bool               // no distributed transaction is prepared at its end
	done         chan error
}

// run reads the log from start to goal, which must be visible, and brings the rows up to
// date.
func (c *rowSync) run(ctx context.Context, r *binlog.Reader, start, goal replication.GTIDSet) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.ctx, c.goal, c.reached, c.recordedAt = ctx, goal, start, time.Now()
	if err = r.Read(ctx, start, goal, c); c.err != nil {
		err = c.err
	}
	if err == nil {
		err = c.startSegment(ctx, nil)
	}
	if err == nil {
		err = c.finishSegment(ctx)
	}
	if err != nil {
		cancel() // a segment that waits for the throttle must not delay the end
		if c.inProgress != nil {
			<-c.inProgress.done //nolint:errcheck // its connections are about to be closed; nothing of it is noted
		}
		return err
	}
	return c.record(ctx, start.Union(goal), len(c.prepared) == 0)
}

// Begin implements binlog.Visitor.
func (c *rowSync) Begin(t binlog.Transaction) (wanted bool) {
	c.branch, c.current = nil, t.ID
	if c.err == nil && c.segmentDone() {
		c.err = c.finishSegment(c.ctx)
	}
	if c.err == nil && (c.isLarge(1, c.segmentKeys) || c.count > 0 && time.Since(c.recordedAt) > recordInterval) {
		if c.err = c.startSegment(c.ctx, c.pending); c.err == nil {
			c.pending, c.recordedAt = nil, time.Now()
		}
	}
	c.pending = append(c.pending, t.ID)
	return c.err == nil
}

// startSegment begins to bring the rows of the segment that was read up to date, after
// those of the previous one. When it is done, the target has the given transactions.
func (c *rowSync) startSegment(ctx context.Context, pending []replication.GTID) error {
	if err := c.finishSegment(ctx); err != nil {
		return err
	}
	p := &pendingSegment{c.takeSegment(), pending, len(c.prepared) == 0, make(chan error, 1)}
	c.inProgress = p
	go func() { p.done <- c.syncSegment(ctx, p.logSegment) }()
	return nil
}

// segmentDone reports whether the rows of a segment are up to date and that is not
// recorded yet.
func (c *rowSync) segmentDone() bool { return c.inProgress != nil && len(c.inProgress.done) > 0 }

// finishSegment waits for the segment in progress, and records its transactions.
func (c *rowSync) finishSegment(ctx context.Context) error {
	p := c.inProgress
	if p == nil {
		return nil
	}
	c.inProgress = nil
	err := <-p.done
	for id := range p.unread {
		c.doubt(c.logSegment, id)
	}
	if err != nil || p.transactions == nil {
		return err
	}
	return c.recordReached(ctx, p.transactions, p.whole)
}

// Rows implements binlog.Visitor. It starts a segment in the middle of a transaction that
// is too large for memory: all of the transaction is visible already.
func (c *rowSync) Rows(ctx context.Context, e *logevent.RowsEvent, broken bool) error {
	if c.err != nil {
		return c.err
	}
	c.addEvent(e, broken)
	if c.branch != nil && c.branch.isLarge(2, c.segmentKeys) {
		c.forgetRows(c.branch)
	}
	if c.isLarge(2, c.segmentKeys) {
		return c.startSegment(ctx, nil)
	}
	return nil
}

// XA implements binlog.Visitor.
func (c *rowSync) XA(step binlog.XAStep, x replication.XID) {
	c.addXA(step, x, c.goal.Has(c.current))
}

// waitEnded waits until the server does not list distributed transactions any more that
// its log ends. MariaDB writes that to the log before it commits them in the engine, and
// not in the commits' order.
func (c *rowSync) waitEnded(ctx context.Context, ended []replication.XID) error {
	for deadline := time.Now().Add(endedLimit); len(ended) > 0; {
		db, dialect, err := c.source.Open(ctx)
		if err != nil {
			return err
		}
		now, err := replication.ListPrepared(ctx, db, dialect)
		if err != nil {
			return c.source.Wrap("look for prepared transactions", err)
		}
		ended = slices.DeleteFunc(ended, func(x replication.XID) bool { return !slices.Contains(now, x) })
		if len(ended) > 0 && time.Now().After(deadline) { // perhaps one of the same name was prepared since
			return report.Transient(fmt.Errorf("%s: the end of prepared transactions is in the log, and they are still listed: %s", c.source.Name(), replication.DescribeXIDs(ended)), 0)
		}
		if err := wait.For(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// Statement implements binlog.Visitor.
func (c *rowSync) Statement(s statement.Logged) {
	c.changes.addStatement(s)
	if c.err == nil {
		c.err = c.statementErr
	}
}

// recordReached records transactions that the target has. It leaves out those that are not
// part of the goal: they may not be visible yet and are read again.
func (c *rowSync) recordReached(ctx context.Context, pending []replication.GTID, whole bool) error {
	c.reached = c.reached.Union(c.goal.Select(pending))
	return c.record(ctx, c.reached, whole)
}

// sortedKeys returns keys in about the server's order, so that the keys of one statement
// are on few pages.
func (t *sourceTable) sortedKeys(keys map[string]table.Key) []table.Key {
	return slices.SortedFunc(maps.Values(keys), func(a, b table.Key) int {
		for i, c := range t.keyCols {
			order := cmp.Compare(a[i], b[i])
			if strings.HasSuffix(c.Type, "int") {
				order = cmp.Or(cmp.Compare(len(a[i]), len(b[i])), order)
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
}

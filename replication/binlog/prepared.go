package binlog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/statement"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// ErrPrepared is wrapped if transactions are prepared at a position (XA). A link that
// starts there gets their ends without what they wrote, and stops (error 1397).
var ErrPrepared = errors.New("transactions are prepared and neither committed nor rolled back (XA)")

const (
	preparedInterval = 20 * time.Millisecond // between looks at prepared transactions
	preparingLimit   = time.Minute           // that an XA PREPARE may take
)

// WaitPrepared waits until none of the transactions is prepared any more that are so now,
// at most limit, and returns ErrPrepared with their names if some still are. What was
// logged before it is called and ends after it returned is then completely in the log.
func WaitPrepared(ctx context.Context, s *replication.Server, limit time.Duration) error {
	left, err := listPrepared(ctx, s)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		report.Note(ctx, "%s: %s: %s; it is waited for, at most %s", s.Name(), ErrPrepared, replication.DescribeXIDs(left), limit)
	}
	for deadline := time.Now().Add(limit); len(left) > 0; {
		if time.Now().After(deadline) {
			return RefusePrepared(s, left)
		}
		if err := wait.For(ctx, preparedInterval); err != nil {
			return err
		}
		db, dialect, err := s.Open(ctx)
		if err != nil {
			return err
		}
		now, err := replication.ListPrepared(ctx, db, dialect)
		if err != nil {
			return s.Wrap("wait for prepared transactions", err)
		}
		left = slices.DeleteFunc(left, func(x replication.XID) bool { return !slices.Contains(now, x) })
	}
	return nil
}

// RefusePrepared returns ErrPrepared with the names of prepared transactions and what to
// do about them, or nil if there are none.
func RefusePrepared(s *replication.Server, list []replication.XID) error {
	if len(list) == 0 {
		return nil
	}
	return report.WithHint(fmt.Errorf("%s: %w: %s", s.Name(), ErrPrepared, replication.DescribeXIDs(list)),
		"%s; then run the same command again", list[0].EndHint())
}

// listPrepared lists the prepared transactions, those too that were logged as prepared
// before it was called and are not listed by the server yet.
func listPrepared(ctx context.Context, s *replication.Server) ([]replication.XID, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	left, err := preparingSessions(ctx, db)
	for deadline := time.Now().Add(preparingLimit); err == nil && len(left) > 0; {
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s: XA PREPARE takes longer than %s", s.Name(), preparingLimit)
		}
		if err := wait.For(ctx, preparedInterval); err != nil {
			return nil, err
		}
		var now []int64
		now, err = preparingSessions(ctx, db)
		left = slices.DeleteFunc(left, func(id int64) bool { return !slices.Contains(now, id) })
	}
	if err != nil {
		return nil, s.Wrap("look for transactions that are being prepared", err)
	}
	list, err := replication.ListPrepared(ctx, db, dialect)
	return list, s.Wrap("look for prepared transactions", err)
}

// preparingSessions are the ids of the sessions that run XA PREPARE.
func preparingSessions(ctx context.Context, q query.Queryer) (ids []int64, err error) {
	all, err := query.Processes(ctx, q)
	for _, p := range all {
		if preparing.MatchString(p.Info) {
			ids = append(ids, p.ID)
		}
	}
	return ids, err
}

var preparing = regexp.MustCompile(`(?is)\bXA\b.*\bPREPARE\b`)

// PreparedAt returns the transactions that were prepared at a position of a server's
// binlog: those that are still, and those that the log ends after the position without
// having prepared them. A copy of the server must not end at a position with any: see
// ErrPrepared. The position must be in the past.
func PreparedAt(ctx context.Context, s *replication.Server, position replication.GTIDSet) (list []replication.XID, err error) {
	found, err := listPrepared(ctx, s)
	if err != nil {
		return nil, err
	}
	logged, err := Logged(ctx, s)
	if err != nil {
		return nil, err
	}
	r, err := Open(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close(ctx)) }()
	v := &preparedVisitor{prepared: map[replication.XID]bool{}}
	if err := r.Read(ctx, position, position.Union(logged), v); err != nil {
		return nil, err
	}
	for _, x := range found {
		if !v.prepared[x] && !slices.Contains(v.ended, x) {
			v.ended = append(v.ended, x)
		}
	}
	return v.ended, nil
}

// preparedVisitor looks for the ends of transactions that were prepared before.
type preparedVisitor struct {
	prepared map[replication.XID]bool
	ended    []replication.XID
}

func (v *preparedVisitor) Begin(Transaction) (wanted bool) { return false }

func (v *preparedVisitor) Rows(context.Context, *logevent.RowsEvent, bool) error { return nil }

func (v *preparedVisitor) Statement(statement.Logged) {}

func (v *preparedVisitor) XA(step XAStep, x replication.XID) {
	switch {
	case step == XAPrepared:
		v.prepared[x] = true
	case (step == XACommitted || step == XARolledBack) && !v.prepared[x] && !slices.Contains(v.ended, x):
		v.ended = append(v.ended, x)
	}
}

var _ Visitor = (*preparedVisitor)(nil)

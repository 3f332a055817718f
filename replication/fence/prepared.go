package fence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// preparedPatience is how long a prepared transaction may last that a fence is not to be
// refused for. A transaction manager commits within milliseconds, and what the link has
// prepared it ends itself.
const preparedPatience = time.Second

// lastingPrepared returns the transactions that are prepared on the server now and are so
// until the deadline, at least for preparedPatience.
func lastingPrepared(ctx context.Context, s *replication.Server, deadline time.Time) ([]replication.XID, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	if least := time.Now().Add(preparedPatience); deadline.Before(least) {
		deadline = least
	}
	left, err := replication.ListPrepared(ctx, db, dialect)
	for err == nil && len(left) > 0 && time.Now().Before(deadline) {
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return nil, fmt.Errorf("wait for prepared transactions on %s: %w", s.Name(), err)
		}
		var now []replication.XID
		now, err = replication.ListPrepared(ctx, db, dialect)
		left = slices.DeleteFunc(left, func(x replication.XID) bool { return !slices.Contains(now, x) })
	}
	return left, s.Wrap("look for prepared transactions", err)
}

// errPrepared says that transactions are prepared that nobody ends.
var errPrepared = errors.New("transactions are prepared and neither committed nor rolled back (XA)")

// RefusePrepared returns an error that names the transactions that are prepared on a server,
// if any of them lasts. Such a transaction belongs to no side: on MySQL its XA COMMIT passes
// super_read_only after the writers have left, on MariaDB the side that is entered commits
// what the link has prepared there, and the link back stops with error 1397.
func RefusePrepared(ctx context.Context, s *replication.Server) error {
	return refusePrepared(ctx, s, time.Time{})
}

func refusePrepared(ctx context.Context, s *replication.Server, deadline time.Time) error {
	left, err := lastingPrepared(ctx, s, deadline)
	if err != nil || len(left) == 0 {
		return err
	}
	return report.WithHint(fmt.Errorf("%s: %w: %s", s.Name(), errPrepared, replication.DescribeXIDs(left)),
		"%s; then run the same command again", left[0].EndHint())
}

// refuseXA makes sure that no transaction of XA can commit behind a fence that is in force.
// It looks at the open ones before the prepared ones: a transaction only goes from open to
// prepared, and a new one can write nothing any more.
func (f op) refuseXA(ctx context.Context, deadline time.Time) error {
	d, err := f.server.Dialect(ctx)
	if err != nil {
		return err
	}
	if !d.FenceStopsXA() {
		if err := f.endOpenXA(ctx, deadline); err != nil {
			return err
		}
	}
	if err := refusePrepared(ctx, f.server, deadline); err != nil {
		return fmt.Errorf("fence %w", err)
	}
	return nil
}

// endOpenXA waits until the open write transactions of XA have ended, at most until the
// deadline, and kills them then if the operator allows that. A transaction that the server
// cannot tell from one of XA counts as one.
func (f op) endOpenXA(ctx context.Context, deadline time.Time) error {
	killed := false
	for {
		left, err := openXA(ctx, f.server)
		if err != nil || len(left) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			if !f.opt.Kill || killed {
				return report.WithHint(fmt.Errorf("fence %s: these sessions have a transaction of XA open, or one that the server cannot tell from it, whose XA COMMIT would pass the fence: %s",
					f.server.Name(), account.DescribeClients(left)),
					"let them end or end them, or allow migrate to kill what blocks the fence; then run the same command again")
			}
			if err := account.Kill(ctx, f.server, left, "its XA COMMIT would pass the fence"); err != nil {
				return err
			}
			killed, deadline = true, time.Now().Add(f.opt.EffectiveWait())
		}
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("wait for transactions of XA on %s: %w", f.server.Name(), err)
		}
	}
}

// openXA lists the sessions whose open write transaction is one of XA, or may be.
func openXA(ctx context.Context, s *replication.Server) ([]account.Client, error) {
	open, err := account.OpenWrites(ctx, s)
	if err != nil || len(open) == 0 {
		return nil, err
	}
	db, d, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	plain, err := query.Strings(ctx, db, d.PlainTransactions())
	if err != nil {
		return nil, s.Wrap("tell transactions of XA from others", err)
	}
	return slices.DeleteFunc(open, func(c account.Client) bool {
		return slices.Contains(plain, strconv.FormatInt(c.ID, 10))
	}), nil
}

// Seal makes sure that nothing which was open on a fenced server when the fence was set can
// reach its log any more: it ends the sessions whose write transaction is still open, and
// refuses prepared transactions. The server refuses the COMMIT of the open ones, so none of
// them is acknowledged; but MariaDB lets XA PREPARE through, and the rows that they lock are
// in the way of the link back.
func Seal(ctx context.Context, s *replication.Server) error {
	ended := false
	for start := time.Now(); ; {
		open, err := account.OpenWrites(ctx, s)
		if err != nil {
			return err
		}
		if len(open) == 0 {
			break
		}
		if !ended {
			if err := account.Kill(ctx, s, open, "its write transaction was open at the fence, and cannot commit"); err != nil {
				return err
			}
			ended = true
		}
		if time.Since(start) > sealLimit {
			return fmt.Errorf("%s: write transactions are still open behind its fence: %s", s.Name(), account.DescribeClients(open))
		}
		if err := wait.For(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("end open transactions on %s: %w", s.Name(), err)
		}
	}
	return RefusePrepared(ctx, s)
}

// sealLimit bounds the wait for sessions that were killed.
const sealLimit = 5 * time.Second

package fence

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// Error numbers of both flavors.
const (
	errLockWaitTimeout = 1205
	errReadOnly        = 1290
)

// set sets the fence's variable before the deadline. The server waits for running
// statements and commits and holds new ones back meanwhile. It keeps the deadline itself
// (lock_wait_timeout).
func (f op) set(ctx context.Context, lock *replication.Session, deadline time.Time) error {
	dialect, err := f.server.Dialect(ctx)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		blocked, err := f.trySet(ctx, lock, dialect, time.Until(deadline))
		if err != nil || blocked == nil {
			return err
		}
		if !f.opt.Kill || attempt > 1 {
			return report.WithHint(
				fmt.Errorf("fence %s: still running after %s: %s", f.server.Name(), f.opt.EffectiveWait(), account.DescribeClients(blocked)),
				"let it end or end it, or allow migrate to kill what blocks the fence; then run the same command again")
		}
		if err := account.Kill(ctx, f.server, blocked, "it blocks the fence"); err != nil {
			return err
		}
		deadline = time.Now().Add(f.opt.EffectiveWait())
	}
}

// trySet sets the variable once. If running sessions prevented that, blocked holds them and
// is not nil.
func (f op) trySet(ctx context.Context, lock *replication.Session, dialect *dialect.Dialect, left time.Duration) (blocked []account.Client, err error) {
	seconds := max(1, int(math.Ceil(left.Seconds())))
	if _, err := lock.ExecContext(ctx, "SET SESSION lock_wait_timeout = "+strconv.Itoa(seconds)); err != nil {
		return nil, f.server.Wrap("bound the wait for the fence", err)
	}
	text, err := query.Text(ctx, lock, "SELECT CONNECTION_ID()")
	if err != nil {
		return nil, f.server.Wrap("read the connection id", err)
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, f.server.Wrap("read the connection id", err)
	}
	for _, statement := range dialect.FenceStatements() {
		_, err := lock.ExecContext(ctx, statement)
		switch {
		case query.ErrorNumber(err) == errLockWaitTimeout:
			return f.blockers(ctx)
		case err != nil:
			// The connection may be lost while the server still waits to set the variable.
			return nil, errors.Join(f.server.Wrap(statement, err), f.stopStatement(ctx, id))
		}
	}
	return nil, nil
}

// stopStatement ends the session that sets the fence and waits until it is gone: only then
// is it certain that the session does not set the fence later.
func (f op) stopStatement(ctx context.Context, id int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
	defer cancel()
	db, err := f.server.DB(ctx)
	if err != nil {
		return err
	}
	for {
		there, err := query.HasProcess(ctx, db, id)
		if err != nil || !there {
			return err
		}
		// The session may end at this moment: 1094, unknown thread.
		if _, err := db.ExecContext(ctx, "KILL "+strconv.FormatInt(id, 10)); err != nil && query.ErrorNumber(err) != 1094 {
			return f.server.Wrap("end the fence's statement", err)
		}
		if err := wait.For(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// blockers lists the sessions whose statements run, the longest statement first.
func (f op) blockers(ctx context.Context) ([]account.Client, error) {
	all, err := account.Clients(ctx, f.server)
	if err != nil {
		return nil, err
	}
	busy := slices.DeleteFunc(all, func(c account.Client) bool {
		return c.Command == "Sleep" || strings.HasPrefix(c.State, "Waiting for")
	})
	slices.SortStableFunc(busy, func(a, b account.Client) int { return b.Seconds - a.Seconds })
	if len(busy) == 0 {
		busy = []account.Client{{State: "a session that holds LOCK TABLES or a backup lock"}}
	}
	return busy, nil
}

// awaitOpenTransactions waits until the write transactions that are open now have ended, at
// most until deadline. The transactions that are left do not block the fence: the server
// will refuse their COMMIT, so none of them is acknowledged.
func (f op) awaitOpenTransactions(ctx context.Context, deadline time.Time) error {
	first, err := account.OpenWrites(ctx, f.server)
	if err != nil || len(first) == 0 {
		return err
	}
	left := first
	for len(left) > 0 && time.Now().Before(deadline) {
		if err := wait.For(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("wait for open transactions on %s: %w", f.server.Name(), err)
		}
		now, err := account.OpenWrites(ctx, f.server)
		if err != nil {
			return err
		}
		left = slices.DeleteFunc(left, func(c account.Client) bool {
			return !slices.ContainsFunc(now, func(n account.Client) bool { return n.Transaction == c.Transaction })
		})
	}
	switch {
	case len(left) == 0:
		return nil
	case f.opt.Kill:
		return account.Kill(ctx, f.server, left, "its write transaction is still open at the fence")
	}
	report.Note(ctx, "write transactions still open on %s will be refused at their COMMIT: %s", f.server.Name(), account.DescribeClients(left))
	return nil
}

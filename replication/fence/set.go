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

// set sets the fence's variable within the time left, which the server itself
// keeps (lock_wait_timeout): it waits for running statements and commits, and
// holds back new ones meanwhile.
func (f op) set(ctx context.Context, lock *replication.Session, deadline time.Time) error {
	dialect, err := f.server.Dialect(ctx)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		blocked, err := f.try(ctx, lock, dialect, time.Until(deadline))
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

// try runs the statement once. Blocked are the sessions that kept it from being
// set, never nil then.
func (f op) try(ctx context.Context, lock *replication.Session, dialect *dialect.Dialect, left time.Duration) (blocked []account.Client, err error) {
	seconds := max(1, int(math.Ceil(left.Seconds())))
	if _, err := lock.ExecContext(ctx, "SET SESSION lock_wait_timeout = "+strconv.Itoa(seconds)); err != nil {
		return nil, f.server.Wrap("bound the wait for the fence", err)
	}
	id, err := query.Text(ctx, lock, "SELECT CONNECTION_ID()")
	if err != nil {
		return nil, f.server.Wrap("read the connection id", err)
	}
	for _, statement := range dialect.FenceStatements() {
		_, err := lock.ExecContext(ctx, statement)
		switch {
		case query.ErrorNumber(err) == errLockWaitTimeout:
			return f.blockers(ctx)
		case err != nil:
			// The connection may be gone while the server still waits to set it.
			return nil, errors.Join(f.server.Wrap(statement, err), f.stopStatement(ctx, id))
		}
	}
	return nil, nil
}

// stopStatement ends the session that tries to set the fence, and waits until
// it is gone: only then is the fence certain not to be set any more.
func (f op) stopStatement(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
	defer cancel()
	db, err := f.server.DB(ctx)
	if err != nil {
		return err
	}
	for {
		rest, err := query.Strings(ctx, db, "SELECT ID FROM information_schema.PROCESSLIST WHERE ID = ?", id)
		if err != nil || len(rest) == 0 {
			return err
		}
		// It may end by itself in this moment: 1094, unknown thread.
		if _, err := db.ExecContext(ctx, "KILL "+id); err != nil && query.ErrorNumber(err) != 1094 {
			return f.server.Wrap("end the fence's statement", err)
		}
		if err := wait.For(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// blockers are the sessions whose statements run, the longest first.
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

// settleTransactions gives the write transactions that are open now until
// deadline to end. Those left do not block the fence: their COMMIT will be
// refused, so none of them is acknowledged.
func (f op) awaitTransactions(ctx context.Context, deadline time.Time) error {
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

// Holders lists 'user'@'host' of the accounts with one of the global
// privileges, by themselves or by a role.
func Holders(ctx context.Context, q query.Queryer, privileges []string) ([]string, error) {
	marks := strings.Repeat(",?", len(privileges))[1:]
	args := make([]any, len(privileges))
	for i, privilege := range privileges {
		args[i] = privilege
	}
	found, err := query.Strings(ctx, q, `SELECT DISTINCT GRANTEE FROM information_schema.USER_PRIVILEGES
		WHERE PRIVILEGE_TYPE IN (`+marks+`) ORDER BY GRANTEE`, args...)
	if err != nil {
		return nil, err
	}
	members, err := query.All(ctx, q, "SELECT User AS user, Host AS host, Role AS role FROM mysql.roles_mapping WHERE Host <> ''")
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		grants, err := query.Strings(ctx, q, "SHOW GRANTS FOR "+query.Quote(m["role"]))
		if err != nil {
			return nil, err
		}
		grantee := "'" + m["user"] + "'@'" + m["host"] + "'"
		if grantsAny(grants, privileges) && !slices.Contains(found, grantee) {
			found = append(found, grantee)
		}
	}
	return found, nil
}

// grantsAny reads SHOW GRANTS, which for a role includes those of its own roles.
func grantsAny(grants, privileges []string) bool {
	for _, grant := range grants {
		list, _, global := strings.Cut(grant, " ON *.* ")
		if !global {
			continue
		}
		list = strings.TrimPrefix(list, "GRANT ")
		for _, privilege := range strings.Split(list, ", ") {
			if privilege == "ALL PRIVILEGES" || slices.Contains(privileges, privilege) {
				return true
			}
		}
	}
	return false
}

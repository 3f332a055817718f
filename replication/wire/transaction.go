package wire

import (
	"context"
	"errors"
	"time"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

const (
	deadlockTries = 10
	deadlockPause = 50 * time.Millisecond
)

// RetryDeadlock runs do, again when the server has rolled it back because of a
// deadlock or a lock wait: other workers write notes at the same time, and
// foreign keys lock the tables at both their ends.
func RetryDeadlock(ctx context.Context, what string, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if n := query.ErrorNumber(err); n != 1213 && n != 1205 || try == deadlockTries {
			return err
		}
		report.Note(ctx, "%s: again after %v (%d of %d)", what, err, try, deadlockTries)
		if err := wait.For(ctx, deadlockPause); err != nil {
			return err
		}
	}
}

// InTransaction is Transaction, again when the server has rolled it back because
// of a deadlock or a lock wait.
func (c *Conn) InTransaction(ctx context.Context, what string, do func() error) error {
	return RetryDeadlock(ctx, what, func() error { return c.Transaction(ctx, do) })
}

// Transaction runs do between BEGIN and COMMIT, and rolls back if it returns an error.
func (c *Conn) Transaction(ctx context.Context, do func() error) error {
	if err := c.Restore(ctx); err != nil {
		return err
	}
	if _, err := c.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := do(); err != nil {
		if !c.lost {
			_, undo := c.Exec(ctx, "ROLLBACK")
			err = errors.Join(err, undo)
		}
		return err
	}
	_, err := c.Exec(ctx, "COMMIT")
	return err
}

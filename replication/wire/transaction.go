package wire

import (
	"context"
	"errors"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// RetryDeadlock runs do, again where the server has rolled it back for a
// deadlock or a lock wait: other workers write notes beside it, and foreign
// keys lock the tables of both their ends.
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

// InTransaction runs do in a transaction of the wire, again when the server
// rolled it back for a deadlock or a lock wait.
func (w *Conn) InTransaction(ctx context.Context, what string, do func() error) error {
	return RetryDeadlock(ctx, what, func() error { return w.Transaction(ctx, do) })
}

// Transaction runs do between BEGIN and COMMIT, and rolls back when it returns an error.
func (w *Conn) Transaction(ctx context.Context, do func() error) error {
	if err := w.Restore(ctx); err != nil {
		return err
	}
	if _, err := w.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := do(); err != nil {
		if !w.Broken {
			_, undo := w.Exec(ctx, "ROLLBACK")
			err = errors.Join(err, undo)
		}
		return err
	}
	_, err := w.Exec(ctx, "COMMIT")
	return err
}

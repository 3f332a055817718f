package replication

import (
	"context"
	"time"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

const (
	deadlockTries = 10
	deadlockPause = 50 * time.Millisecond
)

// againAfterDeadlock runs do, again where the server has rolled it back for a
// deadlock or a lock wait: other workers write notes beside it, and foreign
// keys lock the tables of both their ends.
func againAfterDeadlock(ctx context.Context, what string, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if n := errorNumber(err); n != 1213 && n != 1205 || try == deadlockTries {
			return err
		}
		report.Note(ctx, "%s: again after %v (%d of %d)", what, err, try, deadlockTries)
		if err := wait.For(ctx, deadlockPause); err != nil {
			return err
		}
	}
}

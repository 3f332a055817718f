package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// WaitFor waits until `to` has executed goal by the link from → to.
func WaitFor(ctx context.Context, from, to *replication.Server, goal replication.GTIDSet) error {
	return linkOp{from, to}.reach(ctx, goal)
}

// CatchUp waits until `to` has executed what `from` has now.
func CatchUp(ctx context.Context, from, to *replication.Server) error {
	return linkOp{from, to}.catchUp(ctx)
}

// connectPatience is how long a link may try to connect before its error counts.
const connectPatience = 15 * time.Second

// catchUp waits until the replica has executed what the other server has now. It
// fails if the replica stops, and reports its progress meanwhile.
func (l linkOp) catchUp(ctx context.Context) error {
	goal, err := carriedGTIDs(ctx, l.from, l.to)
	if err != nil {
		return err
	}
	return l.reach(ctx, goal)
}

// carriedGTIDs are the transactions that the link from → to carries: all that `from`
// has now, less those of to's own domain.
func carriedGTIDs(ctx context.Context, from, to *replication.Server) (replication.GTIDSet, error) {
	executed, err := replication.Executed(ctx, from)
	if err != nil {
		return replication.GTIDSet{}, err
	}
	db, dialect, err := to.Open(ctx)
	if err != nil {
		return replication.GTIDSet{}, err
	}
	native, err := dialect.NativeDomain(ctx, db)
	if err != nil {
		return replication.GTIDSet{}, to.Wrap("read gtid_domain_id", err)
	}
	return executed.Without(native), nil
}

// reach waits until the replica has executed goal, with the server's own wait function.
func (l linkOp) reach(ctx context.Context, goal replication.GTIDSet) error {
	db, dialect, err := l.to.Open(ctx)
	if err != nil {
		return err
	}
	start, total := time.Now(), int64(-1)
	for {
		reached, err := replication.WaitGTIDs(ctx, db, dialect, goal, time.Second)
		if err != nil {
			return l.to.Wrap("catch up", err)
		}
		status, err := l.status(ctx)
		if err != nil {
			return err
		}
		failure := Failure(status)
		if reached && Running(status) {
			return nil
		}
		switch {
		case !status.Configured:
			return fmt.Errorf("catch up on %s: it does not replicate", l.to.Name())
		case errors.Is(failure, errLoginRefused), failure != nil && status.SQLRunning == "No",
			failure != nil && time.Since(start) > connectPatience:
			return report.WithHint(fmt.Errorf("%s link on %s: %w", direction(l.from), l.to.Name(), failure),
				"see %s in its error log; then run the same command again", dialect.StartReplica())
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("catch up on %s: %w", l.to.Name(), context.Cause(ctx))
		}
		if total, err = l.showProgress(ctx, goal, total); err != nil {
			return err
		}
		if reached { // applied, but a thread is still starting
			if err := wait.For(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
	}
}

// showProgress reports how many transactions are applied of those that were missing
// at first. It returns that number: the greater one of total and what is missing now.
func (l linkOp) showProgress(ctx context.Context, goal replication.GTIDSet, total int64) (int64, error) {
	missing, err := missingOf(ctx, l.to, goal)
	if err != nil {
		return total, err
	}
	total = max(total, missing)
	report.Show(ctx, report.Progress{Done: total - missing, Total: total, Unit: "transactions", What: direction(l.from) + " link"})
	return total, nil
}

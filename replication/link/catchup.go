package link

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// errLoginRefused is a link whose user the other server does not let in.
var errLoginRefused = errors.New("the link's login was refused")

// Errors of a client that is refused: access denied, host not allowed.
const (
	accessDenied   = "1045"
	hostNotAllowed = "1130"
)

// Running reports whether both halves of the replica run.
func Running(s dialect.ReplicaStatus) bool { return s.IORunning == "Yes" && s.SQLRunning == "Yes" }

// describeLink says in one line how a link is, without positions.
func describeLink(s dialect.ReplicaStatus) string {
	text := fmt.Sprintf("replicates from %s: receives %s, applies %s", s.Origin, strings.ToLower(s.IORunning), strings.ToLower(s.SQLRunning))
	if failure := Failure(s); failure != nil {
		text += ": " + failure.Error()
	}
	return text
}

// mend adds what helps a link that does not run to err. It must hold wherever
// the move stands: migrate apply is refused once a cutover has begun.
func (l Op) mend(ctx context.Context, err error, status dialect.ReplicaStatus) error {
	dialect, dialectErr := l.To.Dialect(ctx)
	switch {
	case dialectErr != nil:
		return errors.Join(err, dialectErr)
	case !status.Configured && l.From.Side() == replication.Source:
		return report.WithHint(err, "before the cutover run migrate apply, which makes the link")
	case !status.Configured:
		return report.WithHint(err, "before the cutover run migrate apply, which makes the link; after it, without this link there is no way back")
	case Running(status):
		return report.WithHint(err, "it runs and does not keep up: wait until migrate status shows that it has caught up")
	}
	return report.WithHint(err, "remove what has stopped it and run %s on %s; before the cutover migrate apply does so, too",
		dialect.StartReplica(), l.To.Name())
}

// Failure is the error that a replica shows, or nil.
func Failure(s dialect.ReplicaStatus) error {
	switch {
	case s.SQLErrno != "" && s.SQLErrno != "0":
		return fmt.Errorf("applying stopped with error %s: %s", s.SQLErrno, replication.OneLine(s.SQLError))
	case s.IOErrno == accessDenied || s.IOErrno == hostNotAllowed:
		return fmt.Errorf("%w: error %s: %s", errLoginRefused, s.IOErrno, replication.OneLine(s.IOError))
	case s.IOErrno != "" && s.IOErrno != "0":
		return fmt.Errorf("receiving stopped with error %s: %s", s.IOErrno, replication.OneLine(s.IOError))
	}
	return nil
}

// connectPatience is how long a link may try to connect before its error counts.
const connectPatience = 15 * time.Second

// caughtUp waits until the replica has executed what the other server has now.
// It fails when the replica stops, and reports how far behind it is meanwhile.
func (l Op) caughtUp(ctx context.Context) error {
	goal, err := linkGoal(ctx, l.From, l.To)
	if err != nil {
		return err
	}
	return l.Reach(ctx, goal)
}

// linkGoal is what `to` gets from `from` by the link: all that from has now,
// less the domains that are native to `to`.
func linkGoal(ctx context.Context, from, to *replication.Server) (replication.GTIDSet, error) {
	goal, err := replication.Executed(ctx, from)
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
	return goal.Without(native), nil
}

// Reach waits until the replica has executed goal, with the server's own wait function.
func (l Op) Reach(ctx context.Context, goal replication.GTIDSet) error {
	db, dialect, err := l.To.Open(ctx)
	if err != nil {
		return err
	}
	start, total := time.Now(), int64(-1)
	for {
		reached, err := replication.WaitGTIDs(ctx, db, dialect, goal, time.Second)
		if err != nil {
			return l.To.Wrap("catch up", err)
		}
		status, err := l.Status(ctx)
		if err != nil {
			return err
		}
		failure := Failure(status)
		if reached && Running(status) {
			return nil
		}
		switch {
		case !status.Configured:
			return fmt.Errorf("catch up on %s: it does not replicate", l.To.Name())
		case errors.Is(failure, errLoginRefused), failure != nil && status.SQLRunning == "No",
			failure != nil && time.Since(start) > connectPatience:
			return report.WithHint(fmt.Errorf("%s link on %s: %w", linkName(l.From), l.To.Name(), failure),
				"see %s in its error log; then run the same command again", dialect.StartReplica())
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("catch up on %s: %w", l.To.Name(), context.Cause(ctx))
		}
		if total, err = l.progress(ctx, goal, total); err != nil {
			return err
		}
		if reached { // applied, but a thread is still starting
			if err := wait.For(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
	}
}

// progress reports the transactions applied of those that were missing at first.
func (l Op) progress(ctx context.Context, goal replication.GTIDSet, total int64) (int64, error) {
	has, err := replication.Executed(ctx, l.To)
	if err != nil {
		return total, err
	}
	missing := goal.Ahead(has)
	total = max(total, missing)
	report.Show(ctx, report.Progress{Done: total - missing, Total: total, Unit: "transactions", What: linkName(l.From) + " link"})
	return total, nil
}

package link

import (
	"context"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
)

// Lag is how far a link is behind.
type Lag struct {
	// Behind is the age of the oldest write that the other side does not have yet, or,
	// if it has all, how long the last one took. Both are by the controller's clock.
	Behind time.Duration `json:"behind_ns"`
	// AtLeast says that Behind is a lower bound, because that write is still missing or
	// the link has stopped.
	AtLeast bool `json:"at_least,omitempty"`
	// Stopped says that the link does not receive or does not apply, so that the lag
	// grows with the next write.
	Stopped bool `json:"stopped,omitempty"`
	// Transactions is the number of transactions that the other side lacks.
	Transactions int64 `json:"transactions"`
}

// String is the time behind: "12 ms", "≥ 3 s", "≥ 12 s (stopped)". A stopped link with
// no transaction that is known to be missing is "unknown (stopped)".
func (l Lag) String() string {
	text := durationText(l.Behind)
	switch {
	case l.Stopped && l.Behind == 0:
		text = "unknown"
	case l.AtLeast || l.Stopped:
		text = "≥ " + text
	}
	if l.Stopped {
		text += " (stopped)"
	}
	return text
}

func durationText(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// below reports whether the lag is known to be less than limit.
func (l Lag) below(limit time.Duration) bool { return !l.AtLeast && !l.Stopped && l.Behind < limit }

// withStatus adds what a replica's status says about the lag. It passes err on.
func (l Lag) withStatus(status dialect.ReplicaStatus, err error) (Lag, error) {
	if err != nil {
		return Lag{}, err
	}
	if !Running(status) {
		l.AtLeast, l.Stopped = true, true
	}
	return l, nil
}

// missingTransactions counts the transactions of `from` that `to` lacks.
func missingTransactions(ctx context.Context, from, to *replication.Server) (int64, error) {
	goal, err := carriedGTIDs(ctx, from, to)
	if err != nil {
		return 0, err
	}
	return missingOf(ctx, to, goal)
}

// missingOf counts the transactions of goal that a server does not have, or does not show
// yet.
func missingOf(ctx context.Context, s *replication.Server, goal replication.GTIDSet) (int64, error) {
	has, err := replication.Visible(ctx, s)
	if err != nil {
		return 0, err
	}
	return goal.Ahead(has), nil
}

// measureLimit bounds the wait of Measure.
const measureLimit = 3 * time.Second

// Measure measures the lag of a link once: how many transactions the replica lacks
// now, and how long it takes until it has them all, which the controller times with the
// server's own wait. After 3 s the result is AtLeast. It only reads.
func Measure(ctx context.Context, from, to *replication.Server) (Lag, error) {
	start := time.Now()
	goal, err := carriedGTIDs(ctx, from, to)
	if err != nil {
		return Lag{}, err
	}
	reached, err := hasNow(ctx, to, goal)
	if err != nil {
		return Lag{}, err
	}
	var lag Lag
	if !reached {
		if lag.Transactions, err = missingOf(ctx, to, goal); err != nil {
			return Lag{}, err
		}
		db, dialect, err := to.Open(ctx)
		if err != nil {
			return Lag{}, err
		}
		reached, err := replication.WaitGTIDs(ctx, db, dialect, goal, measureLimit)
		if err != nil {
			return Lag{}, to.Wrap("wait for the replica", err)
		}
		lag.Behind, lag.AtLeast = time.Since(start), !reached
	}
	return lag.withStatus(Status(ctx, from, to))
}

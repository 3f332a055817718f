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
	// Behind is the age of the oldest write that the other side does not have
	// yet; with none missing, how long the last one took. By one clock only,
	// the controller's.
	Behind time.Duration `json:"behind_ns"`
	// AtLeast: Behind is a lower bound, because that write is still missing or
	// the link has stopped.
	AtLeast bool `json:"at_least,omitempty"`
	// Stopped: the link does not receive or does not apply, so the lag grows
	// with the next write.
	Stopped bool `json:"stopped,omitempty"`
	// Transactions is how many the other side lacks.
	Transactions int64 `json:"transactions"`
}

// String is the time behind: "12 ms", "≥ 3 s", "≥ 12 s (stopped)". A stopped
// link that nothing is known to be missing of is "unknown (stopped)".
func (l Lag) String() string {
	text := lagText(l.Behind)
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

func lagText(d time.Duration) string {
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

// of adds what a replica's status says of the lag.
func (l Lag) of(status dialect.ReplicaStatus, err error) (Lag, error) {
	if err != nil {
		return Lag{}, err
	}
	if !Running(status) {
		l.AtLeast, l.Stopped = true, true
	}
	return l, nil
}

// missingTransactions counts what `to` lacks of `from`.
func missingTransactions(ctx context.Context, from, to *replication.Server) (int64, error) {
	goal, err := linkGoal(ctx, from, to)
	if err != nil {
		return 0, err
	}
	has, err := replication.Executed(ctx, to)
	if err != nil {
		return 0, err
	}
	return goal.Ahead(has), nil
}

// measureAtMost bounds Measure.
const measureAtMost = 3 * time.Second

// Measure takes the lag of a link once, and only reads: how many transactions
// the replica lacks now, and how long it takes to have them all, timed by the
// controller with the server's own wait (at most 3 s: more is AtLeast).
func Measure(ctx context.Context, from, to *replication.Server) (Lag, error) {
	start := time.Now()
	goal, err := linkGoal(ctx, from, to)
	if err != nil {
		return Lag{}, err
	}
	has, err := replication.Executed(ctx, to)
	if err != nil {
		return Lag{}, err
	}
	lag := Lag{Transactions: goal.Ahead(has)}
	if lag.Transactions > 0 {
		db, dialect, err := to.Open(ctx)
		if err != nil {
			return Lag{}, err
		}
		reached, err := replication.WaitGTIDs(ctx, db, dialect, goal, measureAtMost)
		if err != nil {
			return Lag{}, to.Wrap("wait for the replica", err)
		}
		lag.Behind, lag.AtLeast = time.Since(start), !reached
	}
	return lag.of(Op{from, to}.Status(ctx))
}

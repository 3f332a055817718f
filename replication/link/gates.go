package link

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// lagOp is the gate that a link has kept up for a while.
type lagOp struct {
	plan.ReadOnly
	from, to  *replication.Server
	limit     time.Duration
	steadyFor time.Duration
}

// LagBelow returns the gate that opens once the lag of the link from → to, by
// the heartbeat, has been below limit for all of steadyFor. It fails as soon as
// the link itself has stopped.
func LagBelow(from, to *replication.Server, limit, steadyFor time.Duration) plan.Step {
	return plan.Step{
		Name:    "lag-" + linkName(from),
		Summary: fmt.Sprintf("wait until the %s link is less than %s behind for %s", linkName(from), limit, steadyFor),
		Gate:    true,
		Takes:   steadyFor,
		Op:      replication.WhenProvisioned{Op: lagOp{from: from, to: to, limit: limit, steadyFor: steadyFor}},
	}
}

// Check tells the transactions that are missing; it writes no heartbeat.
func (l lagOp) Check(ctx context.Context) (plan.State, error) {
	return missingState(ctx, l.from, l.to, fmt.Sprintf("less than %s behind for %s", l.limit, l.steadyFor))
}

// Apply waits for the condition.
func (l lagOp) Apply(ctx context.Context) (err error) {
	heartbeat := NewHeartbeat(l.from, l.to)
	if err := heartbeat.Open(ctx); err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
		defer cancel()
		err = errors.Join(err, heartbeat.Close(end))
	}()
	var good time.Time
	for {
		if err := wait.For(ctx, heartbeatInterval); err != nil {
			return fmt.Errorf("wait for the lag of the %s link: %w", linkName(l.from), err)
		}
		status, err := Op{l.from, l.to}.Status(ctx)
		if err != nil {
			return err
		}
		if !status.Configured || status.SQLRunning == "No" || status.IORunning == "No" {
			return Op{l.from, l.to}.mend(ctx, fmt.Errorf("the %s link has stopped: %s", linkName(l.from), describeLink(status)), status)
		}
		lag, err := heartbeat.Lag(ctx)
		if err != nil {
			return err
		}
		report.Show(ctx, report.Progress{Done: lag.Behind.Milliseconds(), Unit: "ms behind", What: linkName(l.from) + " link"})
		switch {
		case lag.Behind >= l.limit || lag.Stopped:
			good = time.Time{}
		case good.IsZero():
			good = time.Now()
		case time.Since(good) >= l.steadyFor:
			return nil
		}
	}
}

// Verify measures once.
func (l lagOp) Verify(ctx context.Context) error {
	lag, err := Measure(ctx, l.from, l.to)
	if err != nil {
		return err
	}
	if !lag.below(l.limit) {
		return report.Transient(fmt.Errorf("the %s link is %s behind, %d transactions", linkName(l.from), lag, lag.Transactions), time.Second)
	}
	return nil
}

// roundTripOp is the gate that a link carries a write.
type roundTripOp struct {
	plan.ReadOnly
	from, to *replication.Server
}

// roundTripTimeout bounds the way of one row.
const roundTripTimeout = 30 * time.Second

// RoundTrip returns the gate that proves the link from → to by a row that is
// written on `from` and read on `to`, and deleted again. A fence of `from` keeps the
// application out all the while: privileged sessions pass read_only on
// MariaDB, and on MySQL super_read_only gives way to read_only for that moment.
func RoundTrip(from, to *replication.Server) plan.Step {
	return plan.Step{
		Name:    "round-trip-" + linkName(from),
		Summary: fmt.Sprintf("prove the %s link: write a row on %s, read it on %s", linkName(from), from.Name(), to.Name()),
		Gate:    true,
		Op:      replication.WhenProvisioned{Op: roundTripOp{from: from, to: to}},
	}
}

// Check reads the link's status.
func (r roundTripOp) Check(ctx context.Context) (plan.State, error) {
	if err := r.from.RequireProvisioned(ctx); err != nil {
		return plan.State{}, err
	}
	status, err := Op{r.from, r.to}.Status(ctx)
	if err != nil {
		return plan.State{}, err
	}
	now := r.to.Name() + " does not replicate"
	if status.Configured {
		now = describeLink(status)
	}
	return plan.State{Now: now, Want: "a row makes the way"}, nil
}

// Apply sends a row and waits for it.
func (r roundTripOp) Apply(ctx context.Context) (err error) {
	run := rand.Text()
	side := string(r.from.Side())
	table := query.QuoteTable(replication.OwnSchema, "heartbeat")
	write := func(ctx context.Context, statement string, args ...any) error {
		return account.AsAdmin(ctx, r.from, nil, func(ctx context.Context, session *replication.Session) error {
			_, err := session.ExecContext(ctx, statement, args...)
			return err
		})
	}
	start := time.Now()
	if err := write(ctx, "INSERT INTO "+table+" (run, side, stamp) VALUES (?, ?, ?)", run, side, 1); err != nil {
		return report.WithHint(r.from.Wrap("write the row of the round trip", err),
			"the table `migrate.heartbeat` and a free server are needed there; before the cutover migrate apply makes the table")
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
		defer cancel()
		if endErr := write(end, "DELETE FROM "+table+" WHERE run = ?", run); endErr != nil {
			err = errors.Join(err, r.from.Wrap("delete the row of the round trip", endErr))
		}
	}()
	db, err := r.to.DB(ctx)
	if err != nil {
		return err
	}
	for time.Since(start) < roundTripTimeout {
		seen, err := query.Text(ctx, db, "SELECT COUNT(*) FROM "+table+" WHERE run = ?", run)
		if err != nil {
			return r.to.Wrap("read the row of the round trip", err)
		}
		if seen == "1" {
			report.Note(ctx, "a row went from %s to %s in %s", r.from.Name(), r.to.Name(), time.Since(start).Round(time.Millisecond))
			return nil
		}
		if err := wait.For(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the row of the round trip: %w", err)
		}
	}
	status, err := Op{r.from, r.to}.Status(ctx)
	if err != nil {
		return err
	}
	return Op{r.from, r.to}.mend(ctx,
		fmt.Errorf("the %s link did not carry a row within %s: %s", linkName(r.from), roundTripTimeout, describeLink(status)), status)
}

// Verify asks the replica whether it runs.
func (r roundTripOp) Verify(ctx context.Context) error {
	status, err := Op{r.from, r.to}.Status(ctx)
	if err == nil && !Running(status) {
		err = fmt.Errorf("verify the %s link: %s", linkName(r.from), describeLink(status))
		return Op{r.from, r.to}.mend(ctx, err, status)
	}
	return err
}

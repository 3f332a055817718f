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
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// roundTripOp is the gate that a link carries a write.
type roundTripOp struct {
	plan.ReadOnly
	from, to *replication.Server
}

// roundTripTimeout bounds the journey of the row.
const roundTripTimeout = 30 * time.Second

// RoundTrip returns the gate that proves the link from → to by a row that it writes on
// `from`, reads on `to`, and deletes again. A fence of `from` is in force all the time:
// privileged sessions pass read_only on MariaDB. Nothing passes MySQL's super_read_only, and
// it is not lifted for this: there a transaction without rows makes the journey.
func RoundTrip(from, to *replication.Server) plan.Step {
	return plan.Step{
		Name:    "round-trip-" + direction(from),
		Summary: fmt.Sprintf("prove the %s link: write a row on %s, read it on %s", direction(from), from.Name(), to.Name()),
		Gate:    true,
		Op:      replication.WhenProvisioned{Op: roundTripOp{from: from, to: to}},
	}
}

// Check reads the link's status.
func (r roundTripOp) Check(ctx context.Context) (plan.State, error) {
	if err := r.from.RequireProvisioned(ctx); err != nil {
		return plan.State{}, err
	}
	status, err := Status(ctx, r.from, r.to)
	if err != nil {
		return plan.State{}, err
	}
	now := r.to.Name() + " does not replicate"
	if status.Configured {
		now = describe(status)
	}
	return plan.State{Now: now, Want: "a row makes the way"}, nil
}

// Apply writes a row and waits until it has arrived.
func (r roundTripOp) Apply(ctx context.Context) (err error) {
	writable, err := (&heartbeat{from: r.from}).writable(ctx)
	if err != nil {
		return err
	}
	if !writable {
		return r.sendTransaction(ctx)
	}
	run := rand.Text()
	side := string(r.from.Side())
	table := query.QuoteTable(replication.OwnSchema, heartbeatTable)
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
		count, err := query.Text(ctx, db, "SELECT COUNT(*) FROM "+table+" WHERE run = ?", run)
		if err != nil {
			return r.to.Wrap("read the row of the round trip", err)
		}
		if count == "1" {
			report.Note(ctx, "a row went from %s to %s in %s", r.from.Name(), r.to.Name(), time.Since(start).Round(time.Millisecond))
			return nil
		}
		if err := wait.For(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the row of the round trip: %w", err)
		}
	}
	return r.explainLoss(ctx, "a row")
}

// explainLoss is the error of a journey that did not end in time.
func (r roundTripOp) explainLoss(ctx context.Context, what string) error {
	status, err := Status(ctx, r.from, r.to)
	if err != nil {
		return err
	}
	return linkOp{r.from, r.to}.explain(ctx,
		fmt.Errorf("the %s link did not carry %s within %s: %s", direction(r.from), what, roundTripTimeout, describe(status)), status)
}

// sendTransaction has a fenced server log a transaction that changes nothing, and waits
// until the other side has executed it.
func (r roundTripOp) sendTransaction(ctx context.Context) error {
	db, err := r.from.DB(ctx)
	if err != nil {
		return err
	}
	before, err := nativeGTIDs(ctx, r.from)
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := db.ExecContext(ctx, dialect.LogNothing); err != nil {
		return r.from.Wrap("log the transaction of the round trip", err)
	}
	after, err := nativeGTIDs(ctx, r.from)
	if err != nil {
		return err
	}
	sent := after.Minus(before)
	if sent.IsEmpty() {
		return fmt.Errorf("%s has not logged the transaction of the round trip", r.from.Name())
	}
	to, d, err := r.to.Open(ctx)
	if err != nil {
		return err
	}
	reached, err := replication.WaitGTIDs(ctx, to, d, sent, roundTripTimeout)
	if err != nil {
		return r.to.Wrap("wait for the transaction of the round trip", err)
	}
	if !reached {
		return r.explainLoss(ctx, "a transaction")
	}
	report.Note(ctx, "a transaction went from %s to %s in %s", r.from.Name(), r.to.Name(), time.Since(start).Round(time.Millisecond))
	return nil
}

// Verify asks the replica whether it runs.
func (r roundTripOp) Verify(ctx context.Context) error {
	status, err := Status(ctx, r.from, r.to)
	if err == nil && !Running(status) {
		err = fmt.Errorf("verify the %s link: %s", direction(r.from), describe(status))
		return linkOp{r.from, r.to}.explain(ctx, err, status)
	}
	return err
}

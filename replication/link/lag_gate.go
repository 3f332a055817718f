package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// lagOp is the gate that a link has kept up for some time.
type lagOp struct {
	plan.ReadOnly
	from, to  *replication.Server
	limit     time.Duration
	steadyFor time.Duration
}

// LagBelow returns the gate that opens once the lag of the link from → to, measured by
// a heartbeat, has been below limit for all of steadyFor. It fails as soon as the link
// has stopped.
func LagBelow(from, to *replication.Server, limit, steadyFor time.Duration) plan.Step {
	return plan.Step{
		Name:    "lag-" + direction(from),
		Summary: fmt.Sprintf("wait until the %s link is less than %s behind for %s", direction(from), limit, steadyFor),
		Gate:    true,
		Takes:   steadyFor,
		Op:      replication.WhenProvisioned{Op: lagOp{from: from, to: to, limit: limit, steadyFor: steadyFor}},
	}
}

// Check counts the missing transactions; it writes no heartbeat.
func (l lagOp) Check(ctx context.Context) (plan.State, error) {
	return missingState(ctx, l.from, l.to, fmt.Sprintf("less than %s behind for %s", l.limit, l.steadyFor))
}

// Apply waits until the lag has been below the limit for long enough.
func (l lagOp) Apply(ctx context.Context) (err error) {
	heartbeat := newHeartbeat(l.from, l.to)
	if err := heartbeat.open(ctx); err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
		defer cancel()
		err = errors.Join(err, heartbeat.close(end))
	}()
	var belowSince time.Time
	for {
		if err := wait.For(ctx, heartbeatInterval); err != nil {
			return fmt.Errorf("wait for the lag of the %s link: %w", direction(l.from), err)
		}
		status, err := Status(ctx, l.from, l.to)
		if err != nil {
			return err
		}
		if !status.Configured || status.SQLRunning == "No" || status.IORunning == "No" {
			return linkOp{l.from, l.to}.explain(ctx, fmt.Errorf("the %s link has stopped: %s", direction(l.from), describe(status)), status)
		}
		lag, err := heartbeat.lag(ctx)
		if err != nil {
			return err
		}
		report.Show(ctx, report.Progress{Done: lag.Behind.Milliseconds(), Unit: "ms behind", What: direction(l.from) + " link"})
		switch {
		case lag.Behind >= l.limit || lag.Stopped:
			belowSince = time.Time{}
		case belowSince.IsZero():
			belowSince = time.Now()
		case time.Since(belowSince) >= l.steadyFor:
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
		return report.Transient(fmt.Errorf("the %s link is %s behind, %d transactions", direction(l.from), lag, lag.Transactions), time.Second)
	}
	return nil
}

package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
)

// Lowering is what the journal knows of one zone's LowerTTL step.
type Lowering struct {
	// Before is its before-image: the old TTLs.
	Before json.RawMessage
	// At is when the name servers were seen to answer the new TTL (the step's
	// verified event): from then on no resolver learns an old one. The journal
	// keeps it over restarts, and it is the clock that it is compared with; the
	// vendor's modified_on is neither.
	// Zero means that the step has not been verified yet.
	At time.Time
}

// errNotLowered is the wait's error ahead of its beginning.
var errNotLowered = errors.New("the TTLs have not been lowered yet")

// Lowerings finds the journal's record of a zone's LowerTTL step; ok is false
// when that step was skipped: nothing was lowered, nothing is to be waited for.
type Lowerings interface {
	Lowering(zone string) (l Lowering, ok bool, err error)
}

// TTLElapsedSpec is what the gate needs.
type TTLElapsedSpec struct {
	Zones     []Zone
	Lowerings Lowerings
	Longest   time.Duration    // for the plan's estimate: the longest old TTL, see LongestTTL
	Now       func() time.Time // nil is time.Now
}

type ttlElapsed struct {
	plan.ReadOnly
	TTLElapsedSpec
}

// TTLElapsed is the gate that waits until the longest old TTL has passed since
// the TTLs were lowered: only then does every resolver follow a flip quickly.
func TTLElapsed(spec TTLElapsedSpec) plan.Step {
	if spec.Now == nil {
		spec.Now = time.Now
	}
	return plan.Step{
		Name:    "ttl-elapsed",
		Summary: "wait until no resolver can hold an answer with an old TTL",
		Gate:    true,
		Takes:   spec.Longest,
		Op:      &ttlElapsed{TTLElapsedSpec: spec},
	}
}

// left is how long to wait, of how long, and for which record.
func (g *ttlElapsed) left() (left, total time.Duration, record string, err error) {
	for _, zone := range g.Zones {
		l, ok, err := g.Lowerings.Lowering(zone.Name)
		if err != nil {
			return 0, 0, "", fmt.Errorf("find when the TTLs of %s were lowered: %w", zone.Name, err)
		}
		if !ok {
			continue
		}
		if l.At.IsZero() {
			return 0, 0, "", fmt.Errorf("%s: %w", zone.Name, errNotLowered)
		}
		images, err := TTLImagesOf(l.Before)
		if err != nil {
			return 0, 0, "", err
		}
		for _, i := range images {
			if i.TTL == i.To {
				continue // was low enough
			}
			old := time.Duration(Record{TTL: i.TTL}.Seconds()) * time.Second
			if wait := l.At.Add(old).Sub(g.Now()); wait > left {
				left, total, record = wait, old, i.Name+" "+i.Type
			}
		}
	}
	return left, total, record, nil
}

// Check says how long is left.
func (g *ttlElapsed) Check(context.Context) (plan.State, error) {
	const want = "every old TTL has passed"
	left, total, record, err := g.left()
	if errors.Is(err, errNotLowered) {
		return plan.State{Unknown: true, Now: err.Error(), Want: want}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	if left <= 0 {
		return plan.State{Done: true, Now: want, Want: want}, nil
	}
	return plan.State{Now: fmt.Sprintf("resolvers may hold %s for up to %s longer (its TTL was %s)", record, left.Round(time.Second), total), Want: want}, nil
}

// Apply waits, showing progress; it can be cut short and run again.
func (g *ttlElapsed) Apply(ctx context.Context) error {
	const most = time.Second
	for {
		left, total, record, err := g.left()
		if err != nil || left <= 0 {
			return err
		}
		plan.Report(ctx, plan.Progress{Done: int64((total - left) / time.Second), Total: int64(total / time.Second), Unit: "s", What: "old TTL of " + record})
		timer := time.NewTimer(min(left, most))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return plan.WithHint(fmt.Errorf("wait for the old TTL of %s: %w", record, ctx.Err()), "run the same command again: it goes on waiting for the %s that are left", left.Round(time.Second))
		}
	}
}

// Verify says whether the wait is over.
func (g *ttlElapsed) Verify(context.Context) error {
	left, _, record, err := g.left()
	if err == nil && left > 0 {
		err = fmt.Errorf("the old TTL of %s has %s left", record, left.Round(time.Second))
	}
	return err
}

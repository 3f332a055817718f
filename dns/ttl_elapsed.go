package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// Lowering is one LowerTTL step as the journal recorded it.
type Lowering struct {
	// Before is its before-image, which holds the old TTLs.
	Before json.RawMessage
	// At is when the name servers were seen to answer the new TTL (the step's
	// verified event). No resolver learns an old TTL after it. The journal keeps At
	// across restarts, and At is from the same clock as the time that it is compared
	// with; neither holds for the vendor's modified_on.
	// Zero means that the step has not been verified yet.
	At time.Time
}

// errNotLowered is returned while the wait cannot begin.
var errNotLowered = errors.New("the TTLs have not been lowered yet")

// Lowerings finds the lowerings of a zone in the journal.
type Lowerings interface {
	// Lowerings returns the zone's LowerTTL steps. It leaves out those that were
	// skipped: they lowered nothing, so there is nothing to wait for.
	Lowerings(zone string) ([]Lowering, error)
}

// TTLElapsedSpec describes the gate.
type TTLElapsedSpec struct {
	Zones     []Zone
	Lowerings Lowerings
	// Records reads the current TTLs of Entries, the records that flip. One that is
	// above TTL (see Record.HasHighTTL) was not lowered.
	Records Records
	Entries []Entry
	TTL     time.Duration
	Longest time.Duration    // the longest old TTL (see LongestTTL), for the plan's estimate
	Now     func() time.Time // nil means time.Now
}

type ttlElapsedGate struct {
	plan.ReadOnly
	TTLElapsedSpec
}

// TTLElapsed returns the gate that waits until the longest old TTL has passed since
// the TTLs were lowered: only then does every resolver follow a flip quickly. The gate
// fails if a record was added, or had its TTL raised, after the lowering.
func TTLElapsed(spec TTLElapsedSpec) plan.Step {
	if spec.Now == nil {
		spec.Now = time.Now
	}
	return plan.Step{
		Name:    "ttl-elapsed",
		Summary: "wait until no resolver can hold an answer with an old TTL",
		Gate:    true,
		Takes:   spec.Longest,
		Op:      &ttlElapsedGate{TTLElapsedSpec: spec},
	}
}

// remaining returns how much of the wait is left, how long the whole wait is, and
// the record that needs it.
func (g *ttlElapsedGate) remaining() (left, total time.Duration, record string, err error) {
	for _, zone := range g.Zones {
		lowerings, err := g.Lowerings.Lowerings(zone.Name)
		if err != nil {
			return 0, 0, "", fmt.Errorf("find when the TTLs of %s were lowered: %w", zone.Name, err)
		}
		for _, l := range lowerings {
			if l.At.IsZero() {
				return 0, 0, "", fmt.Errorf("%s: %w", zone.Name, errNotLowered)
			}
			images, err := ParseTTLImages(l.Before)
			if err != nil {
				return 0, 0, "", err
			}
			for _, i := range images {
				if i.TTL == i.To {
					continue // the TTL was low enough already
				}
				old := time.Duration(Record{TTL: i.TTL}.ttlSeconds()) * time.Second
				if rest := l.At.Add(old).Sub(g.Now()); rest > left {
					left, total, record = rest, old, i.Name+" "+i.Type
				}
			}
		}
	}
	return left, total, record, nil
}

// notLowered names the records that have a high TTL now, with their TTLs.
func (g *ttlElapsedGate) notLowered(ctx context.Context) ([]string, error) {
	flippingIDs := map[string]bool{}
	for _, e := range g.Entries {
		flippingIDs[e.Record.ID] = true
	}
	var out []string
	for _, zone := range g.Zones {
		if len(flippingIDs) == 0 {
			break
		}
		records, err := g.Records.Records(ctx, zone)
		if err != nil {
			return nil, fmt.Errorf("read records of %s: %w", zone.Name, err)
		}
		for _, r := range records {
			if flippingIDs[r.ID] && r.HasHighTTL(g.TTL) {
				out = append(out, fmt.Sprintf("%s has TTL %s", r, time.Duration(r.ttlSeconds())*time.Second))
			}
		}
	}
	return out, nil
}

// checkLowered returns an error if the TTL of a record was not lowered.
func (g *ttlElapsedGate) checkLowered(ctx context.Context) error {
	records, err := g.notLowered(ctx)
	if err != nil || len(records) == 0 {
		return err
	}
	return report.WithHint(fmt.Errorf("not lowered to %s: %s: added, or raised, after the others were lowered", loweredTTL(g.TTL), shortList(records)),
		"migrate plan, then migrate apply: it lowers them, and this gate waits until the old TTL has passed; or leave them out: dns.exclude")
}

// Check names the records that were not lowered, or how much of the wait is left.
func (g *ttlElapsedGate) Check(ctx context.Context) (plan.State, error) {
	const want = "every old TTL has passed"
	left, total, record, err := g.remaining()
	if errors.Is(err, errNotLowered) {
		return plan.State{Unknown: true, Now: err.Error(), Want: want}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	records, err := g.notLowered(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if len(records) > 0 {
		return plan.State{Now: "not lowered: " + shortList(records), Want: want}, nil
	}
	if left <= 0 {
		return plan.State{Done: true, Now: want, Want: want}, nil
	}
	return plan.State{Now: fmt.Sprintf("resolvers may hold %s for up to %s longer (its TTL was %s)", record, left.Round(time.Second), total), Want: want}, nil
}

// Apply waits and shows progress. It can be interrupted and run again.
func (g *ttlElapsedGate) Apply(ctx context.Context) error {
	const maxPause = time.Second
	if err := g.checkLowered(ctx); err != nil {
		return err
	}
	for {
		left, total, record, err := g.remaining()
		if err != nil || left <= 0 {
			return err
		}
		report.Show(ctx, report.Progress{Done: int64((total - left) / time.Second), Total: int64(total / time.Second), Unit: "s", What: "old TTL of " + record})
		if err := wait.For(ctx, min(left, maxPause)); err != nil {
			return report.WithHint(fmt.Errorf("wait for the old TTL of %s: %w", record, err), "run the same command again: it waits for the remaining %s", left.Round(time.Second))
		}
	}
}

// Verify returns an error unless the wait is over and every TTL is still low.
func (g *ttlElapsedGate) Verify(ctx context.Context) error {
	if err := g.checkLowered(ctx); err != nil {
		return err
	}
	left, _, record, err := g.remaining()
	if err == nil && left > 0 {
		err = fmt.Errorf("the old TTL of %s has %s left", record, left.Round(time.Second))
	}
	return err
}

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

// Lowering is what the journal knows of one LowerTTL step.
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

// Lowerings finds the journal's records of a zone's LowerTTL steps, without
// those that were skipped: they lowered nothing, there is nothing to wait for.
type Lowerings interface {
	Lowerings(zone string) ([]Lowering, error)
}

// TTLElapsedSpec is what the gate needs.
type TTLElapsedSpec struct {
	Zones     []Zone
	Lowerings Lowerings
	// Records reads what TTLs the Entries, the records that flip, have by now;
	// one above TTL, as LowerTTL understands it, was not lowered.
	Records Records
	Entries []Entry
	TTL     time.Duration
	Longest time.Duration    // for the plan's estimate: the longest old TTL, see LongestTTL
	Now     func() time.Time // nil is time.Now
}

type ttlElapsed struct {
	plan.ReadOnly
	TTLElapsedSpec
}

// TTLElapsed is the gate that waits until the longest old TTL has passed since
// the TTLs were lowered: only then does every resolver follow a flip quickly. A
// record that was added, or had its TTL raised, after that stops it.
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
		lowerings, err := g.Lowerings.Lowerings(zone.Name)
		if err != nil {
			return 0, 0, "", fmt.Errorf("find when the TTLs of %s were lowered: %w", zone.Name, err)
		}
		for _, l := range lowerings {
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
				if rest := l.At.Add(old).Sub(g.Now()); rest > left {
					left, total, record = rest, old, i.Name+" "+i.Type
				}
			}
		}
	}
	return left, total, record, nil
}

// high says which records have a TTL by now that nobody has lowered.
func (g *ttlElapsed) high(ctx context.Context) ([]string, error) {
	flips := map[string]bool{}
	for _, e := range g.Entries {
		flips[e.Record.ID] = true
	}
	var out []string
	for _, zone := range g.Zones {
		if len(flips) == 0 {
			break
		}
		records, err := g.Records.Records(ctx, zone)
		if err != nil {
			return nil, fmt.Errorf("read records of %s: %w", zone.Name, err)
		}
		for _, r := range records {
			if flips[r.ID] && r.High(g.TTL) {
				out = append(out, fmt.Sprintf("%s has TTL %s", r, time.Duration(r.Seconds())*time.Second))
			}
		}
	}
	return out, nil
}

// refuse is the error of records that were not lowered.
func (g *ttlElapsed) refuse(ctx context.Context) error {
	high, err := g.high(ctx)
	if err != nil || len(high) == 0 {
		return err
	}
	return report.WithHint(fmt.Errorf("not lowered to %s: %s: added, or raised, after the others were lowered", lowered(g.TTL), shortList(high)),
		"migrate plan, then migrate apply: it lowers them, and this gate waits until the old TTL has passed; or leave them out: dns.exclude")
}

// Check says what was not lowered, or how long is left.
func (g *ttlElapsed) Check(ctx context.Context) (plan.State, error) {
	const want = "every old TTL has passed"
	left, total, record, err := g.left()
	if errors.Is(err, errNotLowered) {
		return plan.State{Unknown: true, Now: err.Error(), Want: want}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	high, err := g.high(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if len(high) > 0 {
		return plan.State{Now: "not lowered: " + shortList(high), Want: want}, nil
	}
	if left <= 0 {
		return plan.State{Done: true, Now: want, Want: want}, nil
	}
	return plan.State{Now: fmt.Sprintf("resolvers may hold %s for up to %s longer (its TTL was %s)", record, left.Round(time.Second), total), Want: want}, nil
}

// Apply waits, showing progress; it can be cut short and run again.
func (g *ttlElapsed) Apply(ctx context.Context) error {
	const most = time.Second
	if err := g.refuse(ctx); err != nil {
		return err
	}
	for {
		left, total, record, err := g.left()
		if err != nil || left <= 0 {
			return err
		}
		report.Show(ctx, report.Progress{Done: int64((total - left) / time.Second), Total: int64(total / time.Second), Unit: "s", What: "old TTL of " + record})
		if err := wait.For(ctx, min(left, most)); err != nil {
			return report.WithHint(fmt.Errorf("wait for the old TTL of %s: %w", record, err), "run the same command again: it goes on waiting for the %s that are left", left.Round(time.Second))
		}
	}
}

// Verify says whether the wait is over, and every TTL still low.
func (g *ttlElapsed) Verify(ctx context.Context) error {
	if err := g.refuse(ctx); err != nil {
		return err
	}
	left, _, record, err := g.left()
	if err == nil && left > 0 {
		err = fmt.Errorf("the old TTL of %s has %s left", record, left.Round(time.Second))
	}
	return err
}

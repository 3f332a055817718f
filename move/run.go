package move

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// RunOptions are what the operator chose for one verb.
type RunOptions struct {
	To    string            // the last stage to run
	Wave  string            // cutover: the last wave to flip
	Stop  <-chan struct{}   // closed by the first signal
	Watch func(plan.Event)  // reader of the journal's events
	Ready func(p plan.Plan) // called once the plan stands, before anything runs; may be nil
	Force bool              // rollback: overwrite records that somebody else changed
	Now   func() time.Time  // the clock of reviews; nil is time.Now
	_     struct{}          // keyed fields only
}

// Review checks the plan of a kind against the world, without side effects (I6),
// and saves it as the reviewed one at path (and where the run looks for it).
func (m *Move) Review(ctx context.Context, kind string, o RunOptions, path string) (plan.Review, error) {
	h, err := m.History()
	if err != nil {
		return plan.Review{}, err
	}
	if err := verb.Allowed(kind, verb.PositionOf(h)); err != nil {
		return plan.Review{}, err
	}
	p, err := m.Plan(ctx, kind, o)
	if err != nil {
		return plan.Review{}, err
	}
	if _, err := stopAfter(p, o); err != nil {
		return plan.Review{}, err
	}
	r, err := plan.Survey(ctx, p, time.Now())
	if err != nil {
		return r, err
	}
	for _, path := range []string{path, m.ReviewPath(kind)} {
		if path == "" {
			continue
		}
		if err := r.Save(path); err != nil {
			return r, err
		}
	}
	return r, nil
}

// NoStageError is a stage or wave to stop after that the plan does not have: a
// typing error must not run the whole plan.
type NoStageError struct{ Text string }

func (e *NoStageError) Error() string { return e.Text }

// stopAfter returns the name of the stage that the run is to stop after, "" for
// none: the one asked for, or the last of the wave asked for, so that what was
// cached of the wave is purged. One that p does not have is a *NoStageError.
func stopAfter(p plan.Plan, o RunOptions) (stage string, err error) {
	var stages, waves []string
	for _, s := range p.Stages {
		stages = append(stages, s.Name)
		if s.Wave != "" && !slices.Contains(waves, s.Wave) {
			waves = append(waves, s.Wave)
		}
		if o.Wave != "" && s.Wave == o.Wave {
			stage = s.Name
		}
	}
	switch {
	case o.Wave != "" && stage == "":
		return "", report.WithHint(&NoStageError{fmt.Sprintf("%s has no wave %q", p.Kind, o.Wave)}, "waves are %s", strings.Join(waves, ", "))
	case o.Wave != "":
		return stage, nil
	case o.To != "" && !slices.Contains(stages, o.To):
		return "", report.WithHint(&NoStageError{fmt.Sprintf("%s has no stage %q", p.Kind, o.To)}, "stages are %s", strings.Join(stages, ", "))
	}
	return o.To, nil
}

// Run runs the reviewed plan of a kind, under the lock and with the journal.
func (m *Move) Run(ctx context.Context, kind string, o RunOptions) error {
	return m.locked(kind, o, func(r *plan.Runner) error { return m.runLocked(ctx, r, kind, o) })
}

func (m *Move) runLocked(ctx context.Context, r *plan.Runner, kind string, o RunOptions) error {
	at := verb.PositionOf(r.Journal.History())
	if err := verb.Allowed(kind, at); err != nil {
		return err
	}
	if kind == verb.Cutover && at == verb.OnTarget || kind == verb.Finish && at == verb.Finished {
		report.Note(ctx, "%s is done already: %s", kind, at)
		return nil
	}
	reviewed, err := m.reviewed(kind)
	if err != nil {
		return err
	}
	p, err := m.Plan(ctx, kind, o)
	if err != nil {
		return err
	}
	to, err := stopAfter(p, o)
	if err != nil {
		return err
	}
	if o.Ready != nil {
		o.Ready(p)
	}
	err = r.Run(ctx, p, plan.RunOptions{Reviewed: reviewed, To: to})
	var stale *plan.StaleError
	if errors.As(err, &stale) && report.Hint(err) == "" {
		return report.WithHint(err, "review it anew: %s", reviewVerb[kind])
	}
	return err
}

// reviewVerb is the command that shows and saves a kind's plan.
var reviewVerb = map[string]string{
	verb.Apply: "migrate plan", verb.Cutover: "migrate cutover --dry-run",
	verb.Rollback: "migrate rollback --dry-run", verb.Finish: "migrate finish --dry-run",
}

// reviewed loads the reviewed plan. A rollback needs none: the way back must
// not wait for paperwork; its dry run shows it beforehand.
func (m *Move) reviewed(kind string) (*plan.Review, error) {
	if kind == verb.Rollback {
		return nil, nil
	}
	r, err := plan.LoadReview(m.ReviewPath(kind))
	if errors.Is(err, os.ErrNotExist) {
		return nil, verb.Refuse(reviewVerb[kind]+", read it, then migrate "+kind, "no reviewed plan for %s", kind)
	}
	if err != nil {
		return nil, verb.Refuse("make it anew: "+reviewVerb[kind], "%v", err)
	}
	return &r, nil
}

// TakeBack undoes everything that apply made, in reverse order.
func (m *Move) TakeBack(ctx context.Context, o RunOptions) error {
	return m.locked(verb.Rollback, o, func(r *plan.Runner) error {
		switch at := verb.PositionOf(r.Journal.History()); at {
		case verb.Applying, verb.Applied:
		case verb.NotStarted:
			if r.Journal.History().LastRun(verb.Apply) != nil {
				report.Note(ctx, "everything was taken back already")
				return nil
			}
			return verb.Refuse("nothing to do", "nothing was applied")
		default:
			return verb.Allowed(verb.Apply, at)
		}
		p, err := m.Plan(ctx, verb.Apply, o)
		if err != nil {
			return err
		}
		if o.Ready != nil {
			o.Ready(p)
		}
		return r.Undo(ctx, p)
	})
}

// GoBack is `migrate rollback`: a switch in the other direction where the
// target has taken over, an undo where it has not.
func (m *Move) GoBack(ctx context.Context, o RunOptions) error {
	return m.locked(verb.Rollback, o, func(r *plan.Runner) error {
		h := r.Journal.History()
		at := verb.PositionOf(h)
		if at == verb.SwitchingOver && !m.ways.HandedOver(h) {
			// The source is still the writer: going back is only taking back.
			p := m.abandonPlan()
			if o.Ready != nil {
				o.Ready(p)
			}
			return r.Undo(ctx, p)
		}
		if at == verb.Applied && h.InForce(verb.Rollback) {
			report.Note(ctx, "rolled back already: traffic is on the source")
			return nil
		}
		return m.runLocked(ctx, r, verb.Rollback, o)
	})
}

// locked runs f with the migration's lock and its journal open.
func (m *Move) locked(verb string, o RunOptions, f func(*plan.Runner) error) (err error) {
	lock, err := plan.TakeLock(m.path("lock"), plan.Holder{Who: Who(), PID: os.Getpid(), Verb: verb, Since: time.Now().UTC()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	j, err := plan.OpenJournal(m.journalPath(), Who())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if o.Watch != nil {
		j.Subscribe(o.Watch)
	}
	if j.Torn > 0 {
		if err := j.Append(plan.Event{Kind: verb, Type: plan.StepNote, Text: fmt.Sprintf("cut %d bytes of a torn last line off the journal", j.Torn)}); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.journal = j
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.journal = nil
		m.mu.Unlock()
	}()
	return f(&plan.Runner{Journal: j, Stop: o.Stop})
}

package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// FlipSpec describes the flip of one zone and wave.
type FlipSpec struct {
	Records   Records
	Zone      Zone
	Wave      string
	Entries   []Entry   // the wave's records, from Derive; only FlipToTarget needs them
	Addresses Addresses // their target addresses; only FlipToTarget needs them
	// Propagation asks the name servers whether the change is in force.
	Propagation Propagation
	// Force overwrites records that somebody else has changed, and skips those that
	// no longer exist.
	Force   bool
	Hazards []plan.Hazard
}

// direction is the side that a flip leads to.
type direction int

const (
	toTarget direction = iota
	toSource
)

// flip changes the contents of one zone's records in one batch. TTL, proxied,
// comments, tags and settings stay.
type flip struct {
	FlipSpec
	direction direction
	images    []Image // toSource: the contents to put back
}

// FlipName returns the name of FlipToTarget's step. The journal finds its
// before-image by this name.
func FlipName(zone, wave string) string { return stepName("flip", zone, wave) }

// ParseFlipName returns the zone and wave of a name that FlipName made; ok is false
// for every other name. Neither a zone nor a wave holds a colon.
func ParseFlipName(name string) (zone, wave string, ok bool) {
	rest, ok := strings.CutPrefix(name, stepName("flip", ""))
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}

// FlipToTarget returns the step that points one zone's records of a wave at the
// target.
func FlipToTarget(spec FlipSpec) plan.Step {
	var names []string
	for _, e := range spec.Entries {
		names = append(names, e.Record.String())
	}
	return plan.Step{
		Name:    FlipName(spec.Zone.Name, spec.Wave),
		Summary: fmt.Sprintf("point %d records of %s, wave %s, at the target: %s", len(names), spec.Zone.Name, spec.Wave, shortList(names)),
		Hazards: spec.Hazards,
		Op:      &flip{FlipSpec: spec, direction: toTarget},
	}
}

// FlipToSource returns the step of a rollback's plan that puts before-images back.
// before is the State.Before that the flip of the same zone and wave journaled.
func FlipToSource(spec FlipSpec, before json.RawMessage) (plan.Step, error) {
	images, err := ParseImages(before)
	if err != nil {
		return plan.Step{}, fmt.Errorf("flip %s back: %w", spec.Zone.Name, err)
	}
	var names []string
	for _, i := range images {
		names = append(names, i.Name+" "+i.Type)
	}
	return plan.Step{
		Name:    stepName("flip-back", spec.Zone.Name, spec.Wave),
		Summary: fmt.Sprintf("put %d records of %s, wave %s, back to the source: %s", len(names), spec.Zone.Name, spec.Wave, shortList(names)),
		Hazards: spec.Hazards,
		Op:      &flip{FlipSpec: spec, direction: toSource, images: images},
	}, nil
}

// goal is the content that one record must get, and the content that it is expected
// to have before.
type goal struct {
	id, name, kind string
	from, want     string
}

func (g goal) record() string { return g.name + " " + g.kind }

func goalsOf(images []Image) []goal {
	var out []goal
	for _, i := range images {
		out = append(out, goal{i.ID, i.Name, i.Type, i.To, i.Content})
	}
	return out
}

func (f *flip) goals() ([]goal, error) {
	if f.direction == toSource {
		return goalsOf(f.images), nil
	}
	var out []goal
	for _, e := range f.Entries {
		target, err := f.Addresses.TargetOf(e.Old)
		if err != nil {
			return nil, err
		}
		if target.Is4() != e.Old.Is4() {
			return nil, fmt.Errorf("flip %s: %s cannot become %s: a record cannot change its type", e.Record, e.Old, target)
		}
		out = append(out, goal{e.Record.ID, e.Record.Name, e.Record.Type, e.Old.String(), target.String()})
	}
	return out, nil
}

// survey is the comparison of goals with the zone's records.
type survey struct {
	now     []string // contents of the records that exist
	images  []Image
	todo    []Change
	changed []error  // one for each record that somebody else changed; none with Force
	gone    []string // records that no longer exist; none with Force
	notes   []string // for the operator, reported when the changes are made
}

func (f *flip) survey(ctx context.Context, goals []goal) (survey, error) {
	records, err := f.Records.Records(ctx, f.Zone)
	if err != nil {
		return survey{}, err
	}
	current := byID(records)
	var s survey
	for _, g := range goals {
		r, ok := current[g.id]
		if !ok {
			if f.Force {
				s.notes = append(s.notes, g.record()+" is gone: passed over")
			} else {
				s.gone = append(s.gone, g.record())
			}
			continue
		}
		s.now = append(s.now, r.Content)
		s.images = append(s.images, Image{r.ID, r.Name, r.Type, r.Proxied, r.Content, g.want})
		switch {
		case sameContent(r.Content, g.want):
			continue
		case !sameContent(r.Content, g.from) && !f.Force:
			s.changed = append(s.changed, changedError(g.name, g.kind, r.Content, f.moveValue(g), f.earlierValue(g)))
			continue
		case !sameContent(r.Content, g.from):
			s.notes = append(s.notes, fmt.Sprintf("%s: %s, set by somebody else, is overwritten with %s", g.record(), r.Content, g.want))
		}
		s.todo = append(s.todo, Change{ID: r.ID, Type: r.Type, Content: g.want})
	}
	return s, nil
}

// moveValue returns the content that the move gives the record, for an error.
func (f *flip) moveValue(g goal) string {
	if f.direction == toTarget {
		return g.want
	}
	return g.from
}

// earlierValue returns the content that the record had before the move, for an error.
func (f *flip) earlierValue(g goal) string {
	if f.direction == toTarget {
		return g.from
	}
	return g.want
}

// Check compares the records' contents with the goals.
func (f *flip) Check(ctx context.Context) (plan.State, error) {
	goals, err := f.goals()
	if errors.Is(err, ErrNotProvisioned) {
		return plan.State{Unknown: true, Now: err.Error(), Want: "the target's addresses, once its hosts are there"}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	s, err := f.survey(ctx, goals)
	if err != nil {
		return plan.State{}, fmt.Errorf("check records of %s: %w", f.Zone.Name, err)
	}
	if len(s.gone) > 0 {
		return plan.State{}, goneError(f.Zone, s.gone)
	}
	before, err := encodeImages(s.images)
	if err != nil {
		return plan.State{}, err
	}
	var want []string
	for _, g := range goals {
		want = append(want, g.want)
	}
	return plan.State{
		Done: len(s.todo) == 0 && len(s.changed) == 0,
		Now:  orNone(tally(s.now)), Want: orNone(tally(want)), Before: before,
	}, nil
}

// Apply sends one batch. If somebody else has changed one of the records, a flip to
// the target changes nothing. A flip to the source first restores all other records;
// its error names those that it did not restore.
func (f *flip) Apply(ctx context.Context) error {
	goals, err := f.goals()
	if err != nil {
		return err
	}
	return f.change(ctx, goals, f.direction == toSource)
}

// change brings the records to their goals. partly says what to do when some records
// are gone or were changed by somebody else: with it, the others are changed and the
// error names the refused ones; without it, nothing is changed.
func (f *flip) change(ctx context.Context, goals []goal, partly bool) error {
	s, err := f.survey(ctx, goals)
	if err != nil {
		return fmt.Errorf("read records of %s: %w", f.Zone.Name, err)
	}
	refused := s.changed
	if len(s.gone) > 0 {
		refused = append(refused, goneError(f.Zone, s.gone))
	}
	if len(refused) > 0 && !partly || len(s.todo) == 0 {
		return errors.Join(refused...)
	}
	for _, note := range s.notes {
		report.Note(ctx, "%s", note)
	}
	err = f.Records.Change(ctx, f.Zone, s.todo)
	if errors.Is(err, ErrRecordGone) { // deleted after it was read: name it
		return errors.Join(f.goneRecords(ctx, goals, err), errors.Join(refused...))
	}
	if err != nil && len(refused) > 0 {
		return errors.Join(append(refused, err)...)
	}
	if err != nil {
		return fmt.Errorf("flip %s: %w", f.Zone.Name, err)
	}
	return errors.Join(refused...)
}

func (f *flip) goneRecords(ctx context.Context, goals []goal, cause error) error {
	s, err := f.survey(ctx, goals)
	if err != nil || len(s.gone) == 0 {
		return fmt.Errorf("flip %s: %w", f.Zone.Name, cause)
	}
	return goneError(f.Zone, s.gone)
}

// Verify reads the records from the API, and then asks the name servers until they
// agree: the vendor's propagation to them is not atomic.
func (f *flip) Verify(ctx context.Context) error {
	goals, err := f.goals()
	if err != nil {
		return err
	}
	records, err := f.Records.Records(ctx, f.Zone)
	if err != nil {
		return fmt.Errorf("verify records of %s: %w", f.Zone.Name, err)
	}
	current := byID(records)
	var wrong []error
	for _, g := range goals {
		r, ok := current[g.id]
		switch {
		case !ok && f.Force:
		case !ok:
			wrong = append(wrong, goneError(f.Zone, []string{g.record()}))
		case !sameContent(r.Content, g.want):
			wrong = append(wrong, fmt.Errorf("%s is %s, not %s", g.record(), r.Content, g.want))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	return f.Propagation.await(ctx, f.Zone, expectedContents(goals, records))
}

// Undo puts the contents of the before-images back. It leaves records that somebody
// else has changed since, unless Force is set. It restores all others first and
// names the rest in the error.
func (f *flip) Undo(ctx context.Context, before json.RawMessage) error {
	images, err := ParseImages(before)
	if err != nil {
		return err
	}
	undo := *f
	undo.direction = toSource
	if f.direction == toSource {
		undo.direction = toTarget // only for the names of the values in errors
	}
	return undo.change(ctx, goalsOf(images), true)
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

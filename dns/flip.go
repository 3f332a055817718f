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

// FlipSpec is what a flip of one zone and wave needs.
type FlipSpec struct {
	Records   Records
	Zone      Zone
	Wave      string
	Entries   []Entry   // ToTarget: the wave's records, of Derive
	Addresses Addresses // ToTarget: where they go
	// Propagation is how the name servers are asked whether the change is in force.
	Propagation Propagation
	// Force overwrites records that somebody else has changed, and passes over
	// those that are gone.
	Force   bool
	Hazards []plan.Hazard
}

// Direction is which way a flip goes.
type Direction int

// The directions.
const (
	ToTarget Direction = iota
	ToSource
)

// flip changes the contents of one zone's records in one batch, and nothing else
// of them: TTL, proxied, comments, tags and settings stay.
type flip struct {
	FlipSpec
	direction Direction
	images    []Image // ToSource: what to put back
}

// FlipName is the name of FlipToTarget's step: the journal's key of its before-image.
func FlipName(zone, wave string) string { return stepName("flip", zone, wave) }

// FlipOf returns zone and wave of a name that FlipName made; ok is false for
// every other name. Neither a zone nor a wave holds a colon.
func FlipOf(name string) (zone, wave string, ok bool) {
	rest, ok := strings.CutPrefix(name, stepName("flip", ""))
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}

// FlipToTarget is the step that points one zone's records of a wave at the target.
func FlipToTarget(spec FlipSpec) plan.Step {
	var names []string
	for _, e := range spec.Entries {
		names = append(names, e.Record.String())
	}
	return plan.Step{
		Name:    FlipName(spec.Zone.Name, spec.Wave),
		Summary: fmt.Sprintf("point %d records of %s, wave %s, at the target: %s", len(names), spec.Zone.Name, spec.Wave, shortList(names)),
		Hazards: spec.Hazards,
		Op:      &flip{FlipSpec: spec, direction: ToTarget},
	}
}

// FlipToSource is the step of a rollback's plan that puts before-images back:
// before is the State.Before that the flip of the same zone and wave journaled.
func FlipToSource(spec FlipSpec, before json.RawMessage) (plan.Step, error) {
	images, err := ImagesOf(before)
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
		Op:      &flip{FlipSpec: spec, direction: ToSource, images: images},
	}, nil
}

// goal is what one record is to become, and from which content.
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
	if f.direction == ToSource {
		return goalsOf(f.images), nil
	}
	var out []goal
	for _, e := range f.Entries {
		to, err := f.Addresses.New(e.Old)
		if err != nil {
			return nil, err
		}
		if to.Is4() != e.Old.Is4() {
			return nil, fmt.Errorf("flip %s: %s cannot become %s: a record cannot change its type", e.Record, e.Old, to)
		}
		out = append(out, goal{e.Record.ID, e.Record.Name, e.Record.Type, e.Old.String(), to.String()})
	}
	return out, nil
}

// survey compares goals with the zone's records.
type survey struct {
	now     []string // contents, of records that exist
	images  []Image
	todo    []Change
	changed []error  // by somebody else, unless forced
	gone    []string // names
	notes   []string // for the operator, once it is done
}

func (f *flip) survey(ctx context.Context, goals []goal) (survey, error) {
	records, err := f.Records.Records(ctx, f.Zone)
	if err != nil {
		return survey{}, err
	}
	have := byID(records)
	var s survey
	for _, g := range goals {
		r, ok := have[g.id]
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
			s.changed = append(s.changed, changedError(g.name, g.kind, r.Content, f.ours(g), f.theirs(g)))
			continue
		case !sameContent(r.Content, g.from):
			s.notes = append(s.notes, fmt.Sprintf("%s: %s, set by somebody else, is overwritten with %s", g.record(), r.Content, g.want))
		}
		s.todo = append(s.todo, Change{ID: r.ID, Type: r.Type, Content: g.want})
	}
	return s, nil
}

// ours and theirs name, for an error, the move's value and the one before it.
func (f *flip) ours(g goal) string {
	if f.direction == ToTarget {
		return g.want
	}
	return g.from
}

func (f *flip) theirs(g goal) string {
	if f.direction == ToTarget {
		return g.from
	}
	return g.want
}

// Check compares contents with what is wanted; all there is done.
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
	before, err := encode(s.images)
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

// Apply sends one batch. On the way to the target nothing is changed when
// somebody else has changed one of the records; on the way back all others are
// restored first, and the error names those that were not.
func (f *flip) Apply(ctx context.Context) error {
	goals, err := f.goals()
	if err != nil {
		return err
	}
	return f.bring(ctx, goals, f.direction == ToSource)
}

func (f *flip) bring(ctx context.Context, goals []goal, despiteRefused bool) error {
	s, err := f.survey(ctx, goals)
	if err != nil {
		return fmt.Errorf("read records of %s: %w", f.Zone.Name, err)
	}
	refused := s.changed
	if len(s.gone) > 0 {
		refused = append(refused, goneError(f.Zone, s.gone))
	}
	if len(refused) > 0 && !despiteRefused || len(s.todo) == 0 {
		return errors.Join(refused...)
	}
	for _, note := range s.notes {
		report.Note(ctx, "%s", note)
	}
	err = f.Records.Change(ctx, f.Zone, s.todo)
	if errors.Is(err, ErrRecordGone) { // deleted between the reading and the change: say which
		return errors.Join(f.whichGone(ctx, goals, err), errors.Join(refused...))
	}
	if err != nil && len(refused) > 0 {
		return errors.Join(append(refused, err)...)
	}
	if err != nil {
		return fmt.Errorf("flip %s: %w", f.Zone.Name, err)
	}
	return errors.Join(refused...)
}

func (f *flip) whichGone(ctx context.Context, goals []goal, cause error) error {
	s, err := f.survey(ctx, goals)
	if err != nil || len(s.gone) == 0 {
		return fmt.Errorf("flip %s: %w", f.Zone.Name, cause)
	}
	return goneError(f.Zone, s.gone)
}

// Verify asks the API again, and then the name servers until they agree: the
// vendor's propagation to them is not atomic.
func (f *flip) Verify(ctx context.Context) error {
	goals, err := f.goals()
	if err != nil {
		return err
	}
	records, err := f.Records.Records(ctx, f.Zone)
	if err != nil {
		return fmt.Errorf("verify records of %s: %w", f.Zone.Name, err)
	}
	have := byID(records)
	var wrong []error
	for _, g := range goals {
		r, ok := have[g.id]
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
	return f.Propagation.await(ctx, f.Zone, contentAnswers(goals, records))
}

// Undo puts the contents of the before-images back. Records that somebody else
// has changed since are left and named in the error, unless Force is set; all
// others are restored first.
func (f *flip) Undo(ctx context.Context, before json.RawMessage) error {
	images, err := ImagesOf(before)
	if err != nil {
		return err
	}
	undo := *f
	undo.direction = ToSource
	if f.direction == ToSource {
		undo.direction = ToTarget // names of the values in errors only
	}
	return undo.bring(ctx, goalsOf(images), true)
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

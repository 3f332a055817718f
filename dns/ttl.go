package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// MinTTL is the lowest TTL that every plan of the vendor takes.
const MinTTL = time.Minute

// TTLSpec is what lowering or restoring the TTLs of one zone needs.
type TTLSpec struct {
	Records     Records
	Zone        Zone
	Entries     []Entry       // LowerTTL: the zone's records that flip
	TTL         time.Duration // LowerTTL: what DNS-only records get; below MinTTL is MinTTL
	Propagation Propagation
	// Again counts the lowerings of the zone, see LowerTTLName; 0 is the first.
	Again int
}

// ttlStep changes TTLs of DNS-only records, and nothing else of them. Whoever
// changed a TTL meanwhile meant it: that record is left, with a note.
type ttlStep struct {
	TTLSpec
	lower  bool
	images []TTLImage // restore: what to put back
}

// LowerTTLName is the name of LowerTTL's step: the journal's key of its
// before-image. The journal keeps a step's first before-image, so records that
// were added, or had their TTL raised, once it was verified are lowered by
// another step: again is 2 for the second, and so on.
func LowerTTLName(zone string, again int) string {
	if again < 2 {
		return stepName("ttl", zone)
	}
	return stepName("ttl", zone, strconv.Itoa(again))
}

// LongestTTL is how long a resolver may hold an old answer of the entries that
// are not proxied.
func LongestTTL(entries []Entry) time.Duration {
	longest := 0
	for _, e := range entries {
		if !e.Record.Proxied {
			longest = max(longest, e.Record.Seconds())
		}
	}
	return time.Duration(longest) * time.Second
}

// lowered is what a setting makes of a TTL.
func lowered(ttl time.Duration) time.Duration { return max(ttl, MinTTL).Truncate(time.Second) }

// High reports whether resolvers hold the record's answer for longer than LowerTTL
// would let them.
func (r Record) High(ttl time.Duration) bool {
	return !r.Proxied && time.Duration(r.Seconds())*time.Second > lowered(ttl)
}

// LowerTTL is the step that lowers the TTL of one zone's DNS-only records ahead
// of the flip, so that resolvers follow it within that time. Records that are
// proxied (their TTL is the edge's) or low enough already stay.
func LowerTTL(spec TTLSpec) plan.Step {
	spec.TTL = lowered(spec.TTL)
	which := "that flip"
	if spec.Again > 1 {
		which = "that were added or raised since"
	}
	return plan.Step{
		Name:    LowerTTLName(spec.Zone.Name, spec.Again),
		Summary: fmt.Sprintf("lower the TTL of DNS-only records of %s %s to %s", spec.Zone.Name, which, spec.TTL),
		Op:      &ttlStep{TTLSpec: spec, lower: true},
	}
}

// RestoreTTL is the step that puts TTLs back once the move is decided, at finish
// or as a rollback's last: before is the State.Before that LowerTTL journaled.
func RestoreTTL(spec TTLSpec, before json.RawMessage) (plan.Step, error) {
	images, err := TTLImagesOf(before)
	if err != nil {
		return plan.Step{}, fmt.Errorf("restore TTLs of %s: %w", spec.Zone.Name, err)
	}
	name := stepName("ttl-back", spec.Zone.Name)
	if spec.Again > 1 {
		name = stepName(name, strconv.Itoa(spec.Again))
	}
	return plan.Step{
		Name:    name,
		Summary: fmt.Sprintf("restore the TTL of %d records of %s", len(images), spec.Zone.Name),
		Op:      &ttlStep{TTLSpec: spec, images: images},
	}, nil
}

// ttlGoal is what the TTL of one record is to become.
type ttlGoal struct {
	id, name, kind string
	from, want     int // from 0: any higher one
}

func ttlGoalsOf(images []TTLImage) []ttlGoal {
	var out []ttlGoal
	for _, i := range images {
		out = append(out, ttlGoal{i.ID, i.Name, i.Type, i.To, i.TTL})
	}
	return out
}

func (s *ttlStep) goals() []ttlGoal {
	if !s.lower {
		return ttlGoalsOf(s.images)
	}
	var out []ttlGoal
	for _, e := range s.Entries {
		out = append(out, ttlGoal{e.Record.ID, e.Record.Name, e.Record.Type, 0, int(s.TTL / time.Second)})
	}
	return out
}

// ttlSurvey compares goals with the zone's records.
type ttlSurvey struct {
	now, want []string
	images    []TTLImage
	todo      []Change
	gone      []string
	notes     []string // for the operator, once it is done
	answers   []answer
}

func (s *ttlStep) survey(ctx context.Context, goals []ttlGoal) (ttlSurvey, error) {
	records, err := s.Records.Records(ctx, s.Zone)
	if err != nil {
		return ttlSurvey{}, fmt.Errorf("read records of %s: %w", s.Zone.Name, err)
	}
	have := byID(records)
	var out ttlSurvey
	for _, g := range goals {
		r, ok := have[g.id]
		switch {
		case !ok:
			out.gone = append(out.gone, g.name+" "+g.kind)
			continue
		case r.Proxied:
			continue
		}
		target := g.want
		if g.from == 0 && r.Seconds() <= g.want {
			target = r.TTL // low enough
		}
		out.now, out.want = append(out.now, ttlText(r.TTL)), append(out.want, ttlText(target))
		out.images = append(out.images, TTLImage{r.ID, r.Name, r.Type, r.TTL, target})
		switch {
		case r.TTL == target:
		case g.from != 0 && r.TTL != g.from:
			out.notes = append(out.notes, fmt.Sprintf("%s: TTL %s was set by somebody else and stays (%s before the move)", r, ttlText(r.TTL), ttlText(g.want)))
			continue
		default:
			out.todo = append(out.todo, Change{ID: r.ID, Type: r.Type, TTL: target})
		}
		limit := Record{TTL: target}
		out.answers = append(out.answers, answer{name: r.Name, kind: r.Type, want: []string{r.Content}, maxTTL: limit.Seconds()})
	}
	return out, nil
}

// Check is done when no TTL is left to change.
func (s *ttlStep) Check(ctx context.Context) (plan.State, error) {
	got, err := s.survey(ctx, s.goals())
	if err != nil {
		return plan.State{}, err
	}
	if s.lower && len(got.gone) > 0 {
		return plan.State{}, goneError(s.Zone, got.gone)
	}
	before, err := encode(got.images)
	if err != nil {
		return plan.State{}, err
	}
	return plan.State{
		Done: len(got.todo) == 0,
		Now:  "TTL " + orNone(tally(got.now)), Want: "TTL " + orNone(tally(got.want)), Before: before,
	}, nil
}

// Apply sends one batch.
func (s *ttlStep) Apply(ctx context.Context) error {
	return s.bring(ctx, s.goals(), s.lower)
}

func (s *ttlStep) bring(ctx context.Context, goals []ttlGoal, all bool) error {
	got, err := s.survey(ctx, goals)
	if err != nil {
		return err
	}
	if len(got.gone) > 0 && all {
		return goneError(s.Zone, got.gone)
	}
	for _, note := range got.notes {
		report.Note(ctx, "%s", note)
	}
	for _, name := range got.gone {
		report.Note(ctx, "%s is gone: no TTL to restore", name)
	}
	if len(got.todo) == 0 {
		return nil
	}
	if err := s.Records.Change(ctx, s.Zone, got.todo); err != nil {
		return fmt.Errorf("change TTLs of %s: %w", s.Zone.Name, err)
	}
	return nil
}

// Verify asks the API again, and then the name servers: the time at which this
// succeeded is the time from which the old TTL runs (see TTLElapsed).
func (s *ttlStep) Verify(ctx context.Context) error {
	got, err := s.survey(ctx, s.goals())
	if err != nil {
		return err
	}
	var wrong []error
	for _, c := range got.todo {
		wrong = append(wrong, fmt.Errorf("record %s of %s does not have TTL %s", c.ID, s.Zone.Name, ttlText(c.TTL)))
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	return s.Propagation.await(ctx, s.Zone, got.answers)
}

// Undo puts the TTLs of the before-images back.
func (s *ttlStep) Undo(ctx context.Context, before json.RawMessage) error {
	images, err := TTLImagesOf(before)
	if err != nil {
		return err
	}
	return s.bring(ctx, ttlGoalsOf(images), false)
}

func ttlText(ttl int) string {
	if ttl == AutomaticTTL {
		return "automatic"
	}
	return (time.Duration(ttl) * time.Second).String()
}

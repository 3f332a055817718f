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

// minTTL is the lowest TTL that every plan of the vendor allows.
const minTTL = time.Minute

// TTLSpec describes the lowering or restoring of the TTLs of one zone.
type TTLSpec struct {
	Records     Records
	Zone        Zone
	Entries     []Entry       // the zone's records that flip; only LowerTTL needs them
	TTL         time.Duration // of LowerTTL, for DNS-only records; less than 1 minute means 1 minute
	Propagation Propagation
	// Again counts the lowerings of the zone; see LowerTTLName. 0 means the first.
	Again int
}

// ttlStep changes only the TTLs of DNS-only records. It restores no TTL that somebody
// else changed meanwhile, because that was on purpose; a note names the record.
type ttlStep struct {
	TTLSpec
	lower  bool
	images []TTLImage // of a restore: the TTLs to put back
}

// LowerTTLName returns the name of LowerTTL's step. The journal finds its
// before-image by this name, and keeps only the first of a step. So records that
// were added, or had their TTL raised, after the step was verified need another
// step: again is 2 for the second, and so on.
func LowerTTLName(zone string, again int) string {
	if again < 2 {
		return stepName("ttl", zone)
	}
	return stepName("ttl", zone, strconv.Itoa(again))
}

// LongestTTL returns the longest time that a resolver may keep an old answer for one
// of the entries. Proxied records do not count.
func LongestTTL(entries []Entry) time.Duration {
	longest := 0
	for _, e := range entries {
		if !e.Record.Proxied {
			longest = max(longest, e.Record.ttlSeconds())
		}
	}
	return time.Duration(longest) * time.Second
}

// loweredTTL returns the TTL that LowerTTL writes for a configured one: at least
// minTTL, in whole seconds.
func loweredTTL(ttl time.Duration) time.Duration { return max(ttl, minTTL).Truncate(time.Second) }

// HasHighTTL reports whether resolvers may keep the record's answer for longer than
// with the TTL that LowerTTL writes for ttl. It is false for a proxied record.
func (r Record) HasHighTTL(ttl time.Duration) bool {
	return !r.Proxied && time.Duration(r.ttlSeconds())*time.Second > loweredTTL(ttl)
}

// LowerTTL returns the step that lowers the TTL of one zone's DNS-only records before
// the flip, so that resolvers follow it within that time. It leaves records whose TTL
// is low enough, and proxied ones: the vendor's edge sets their TTL.
func LowerTTL(spec TTLSpec) plan.Step {
	spec.TTL = loweredTTL(spec.TTL)
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

// RestoreTTL returns the step that puts TTLs back when the move is decided: at finish,
// or at the end of a rollback. before is the State.Before that LowerTTL journaled.
func RestoreTTL(spec TTLSpec, before json.RawMessage) (plan.Step, error) {
	images, err := ParseTTLImages(before)
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

// ttlGoal is the TTL that one record must get, in seconds.
type ttlGoal struct {
	id, name, kind string
	from, want     int // from is the TTL expected before; 0 means any that is higher
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

// ttlSurvey is the comparison of goals with the zone's records.
type ttlSurvey struct {
	now, want    []string
	images       []TTLImage
	todo         []Change
	gone         []string
	notes        []string // for the operator, reported when the changes are made
	expectations []expectation
}

func (s *ttlStep) survey(ctx context.Context, goals []ttlGoal) (ttlSurvey, error) {
	records, err := s.Records.Records(ctx, s.Zone)
	if err != nil {
		return ttlSurvey{}, fmt.Errorf("read records of %s: %w", s.Zone.Name, err)
	}
	current := byID(records)
	var out ttlSurvey
	for _, g := range goals {
		r, ok := current[g.id]
		switch {
		case !ok:
			out.gone = append(out.gone, g.name+" "+g.kind)
			continue
		case r.Proxied:
			continue
		}
		target := g.want
		if g.from == 0 && r.ttlSeconds() <= g.want {
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
		out.expectations = append(out.expectations, expectation{name: r.Name, kind: r.Type, want: []string{r.Content}, maxTTL: limit.ttlSeconds()})
	}
	return out, nil
}

// Check reports the step as done if no TTL is left to change.
func (s *ttlStep) Check(ctx context.Context) (plan.State, error) {
	got, err := s.survey(ctx, s.goals())
	if err != nil {
		return plan.State{}, err
	}
	if s.lower && len(got.gone) > 0 {
		return plan.State{}, goneError(s.Zone, got.gone)
	}
	before, err := encodeImages(got.images)
	if err != nil {
		return plan.State{}, err
	}
	return plan.State{
		Done: len(got.todo) == 0,
		Now:  "TTL " + orNone(tally(got.now)), Want: "TTL " + orNone(tally(got.want)), Before: before,
	}, nil
}

// Apply changes the TTLs in one batch.
func (s *ttlStep) Apply(ctx context.Context) error {
	return s.change(ctx, s.goals(), s.lower)
}

// change brings the TTLs to their goals. With requireAll it refuses to change any if
// a record no longer exists.
func (s *ttlStep) change(ctx context.Context, goals []ttlGoal, requireAll bool) error {
	got, err := s.survey(ctx, goals)
	if err != nil {
		return err
	}
	if len(got.gone) > 0 && requireAll {
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

// Verify reads the TTLs from the API, and then asks the name servers. The old TTL
// starts to run out when Verify succeeds (see TTLElapsed).
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
	return s.Propagation.await(ctx, s.Zone, got.expectations)
}

// Undo puts the TTLs of the before-images back.
func (s *ttlStep) Undo(ctx context.Context, before json.RawMessage) error {
	images, err := ParseTTLImages(before)
	if err != nil {
		return err
	}
	return s.change(ctx, ttlGoalsOf(images), false)
}

func ttlText(ttl int) string {
	if ttl == AutomaticTTL {
		return "automatic"
	}
	return (time.Duration(ttl) * time.Second).String()
}

package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/report"
)

// checksAtOnce bounds the Checks that run side by side.
const checksAtOnce = 8

// Review is a plan as the operator saw it: what every step found and would do. A
// run is bound to the saved one.
type Review struct {
	Site    string         `json:"site"`
	Kind    string         `json:"kind"`
	Digest  string         `json:"digest"` // of the plan
	Seen    string         `json:"world"`  // digest of what the Checks saw
	Config  string         `json:"config"`
	MadeAt  time.Time      `json:"made_at"`
	Steps   []ReviewedStep `json:"steps"`
	Reverts string         `json:"reverts,omitempty"`
}

// ReviewedStep is one line of a Review.
type ReviewedStep struct {
	Key        Key             `json:"id"`
	Stage      string          `json:"stage"`
	Name       string          `json:"name"`
	Summary    string          `json:"summary"`
	Gate       bool            `json:"gate,omitempty"`
	Critical   bool            `json:"critical,omitempty"`
	Done       bool            `json:"done"`
	Unknown    bool            `json:"unknown,omitempty"`
	Now        string          `json:"now"`
	Want       string          `json:"want,omitempty"`
	Before     json.RawMessage `json:"before,omitempty"`
	Hazards    []Hazard        `json:"hazards,omitempty"`
	CannotUndo string          `json:"cannot_undo,omitempty"`
	Takes      time.Duration   `json:"takes_ns,omitempty"`
}

// Survey runs the Check of every step of p, which has no side effects. The errors
// of all failed Checks are joined, each with its step.
func Survey(ctx context.Context, p Plan, now time.Time) (Review, error) {
	r := Review{Site: p.Site, Kind: p.Kind, Digest: p.Digest(), Config: p.Config, Reverts: p.Reverts, MadeAt: now.UTC()}
	var ops []Op
	for _, stage := range p.Stages {
		for _, s := range stage.Steps {
			r.Steps = append(r.Steps, ReviewedStep{
				Key: p.Key(stage, s), Stage: stage.Name, Name: s.Name, Summary: s.Summary, Gate: s.Gate,
				Critical: stage.Critical, Hazards: s.Hazards, CannotUndo: s.CannotUndo, Takes: s.Takes,
			})
			ops = append(ops, s.Op)
		}
	}
	errs := make([]error, len(ops))
	var g errgroup.Group
	g.SetLimit(checksAtOnce)
	for i, op := range ops {
		g.Go(func() error {
			state, err := op.Check(ctx)
			if err != nil {
				errs[i] = fmt.Errorf("check %s: %w", r.Steps[i].Key, err)
				return nil
			}
			s := &r.Steps[i]
			s.Done, s.Unknown, s.Now, s.Want, s.Before = state.Done, state.Unknown, state.Now, state.Want, compact(state.Before)
			s.Hazards = slices.Concat(s.Hazards, state.Hazards)
			return nil
		})
	}
	_ = g.Wait() // its functions return nil: errs has them
	r.Seen = digest(r.seen())
	return r, errors.Join(errs...)
}

// compact makes before-images comparable: those of a saved Review are indented.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if len(raw) == 0 || json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// seen is what a run must find again. Gates are left out: they look at what moves.
func (r Review) seen() map[Key]string {
	w := map[Key]string{}
	for _, s := range r.Steps {
		if !s.Gate {
			w[s.Key] = fmt.Sprintf("%t %t %s", s.Done, s.Unknown, compact(s.Before))
		}
	}
	return w
}

// Changes counts the steps that would change something.
func (r Review) Changes() int {
	n := 0
	for _, s := range r.Steps {
		if !s.Done && !s.Gate {
			n++
		}
	}
	return n
}

// StaleError refuses a run whose plan is no longer the reviewed one.
type StaleError struct{ Kind, Reason string }

func (e *StaleError) Error() string {
	return fmt.Sprintf("the reviewed %s plan does not hold any more: %s", e.Kind, e.Reason)
}

// SamePlan returns a *StaleError unless p is the reviewed plan.
func (r Review) SamePlan(p Plan) error {
	switch {
	case r.Config != p.Config:
		return &StaleError{p.Kind, "the configuration was changed since the review"}
	case r.Site != p.Site || r.Kind != p.Kind:
		return &StaleError{p.Kind, fmt.Sprintf("it is a plan for %s of site %s", r.Kind, r.Site)}
	case r.Digest != p.Digest():
		return &StaleError{p.Kind, r.difference(p)}
	}
	return nil
}

// difference names the first step of p that is not as it was reviewed.
func (r Review) difference(p Plan) string {
	reviewed := map[Key]ReviewedStep{}
	for _, s := range r.Steps {
		reviewed[s.Key] = s
	}
	for _, stage := range p.Stages {
		for _, s := range stage.Steps {
			key := p.Key(stage, s)
			was, ok := reviewed[key]
			delete(reviewed, key)
			switch {
			case !ok:
				return fmt.Sprintf("%s was not in it: %s", key, s.Summary)
			case was.Summary != s.Summary:
				return fmt.Sprintf("%s: reviewed %q, now %q", key, was.Summary, s.Summary)
			}
		}
	}
	for _, s := range r.Steps {
		if _, left := reviewed[s.Key]; left {
			return fmt.Sprintf("%s is not needed any more: %s", s.Key, s.Summary)
		}
	}
	return "the steps have another order, or other gates and hazards"
}

// seesTheSame returns a *StaleError that names the first step for which now sees
// something else than the review did.
func (r Review) seesTheSame(now Review) error {
	if r.Seen == now.Seen {
		return nil
	}
	seen, reviewed := now.seen(), r.seen()
	for i, s := range r.Steps {
		if !s.Gate && seen[s.Key] != reviewed[s.Key] {
			return &StaleError{r.Kind, fmt.Sprintf("%s: reviewed %q, now %q", s.Key, s.Now, now.Steps[i].Now)}
		}
	}
	return &StaleError{r.Kind, "the review file was edited"}
}

// Save writes the review to path.
func (r Review) Save(path string) error { return WriteJSON(path, r) }

// LoadReview reads a saved review. For a missing file the error wraps os.ErrNotExist.
func LoadReview(path string) (Review, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Review{}, fmt.Errorf("read plan: %w", err)
	}
	var r Review
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Review{}, report.WithHint(fmt.Errorf("%s: not a plan of migrate: %w", path, err), "make it anew: migrate plan --out %s", path)
	}
	return r, nil
}

// Package plan is the engine: a Plan is stages of steps, and a step is data for
// people plus an operation for the machine. Survey shows what a plan would do,
// and the Runner runs it and takes it back. It needs operations that are safe to
// repeat (see Op). It promises that kill -9 at any instruction loses nothing,
// because the journal is written ahead of every change, and that a failure inside
// a critical section restores what the section changed. It knows no vendor and
// no database.
package plan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Op is what a step does. All four methods are safe to repeat, in any order and
// after a crash at any instruction of an earlier call.
type Op interface {
	// Check only reads: is the step done already, and what is there now? It has no
	// side effects. It must work, or return Unknown, before earlier steps of the
	// plan have run.
	Check(ctx context.Context) (State, error)
	// Apply makes the change. It returns a report.TransientError where a retry,
	// after another Check, is right.
	Apply(ctx context.Context) error
	// Verify asks the changed thing itself, not memory, whether the change is in force.
	Verify(ctx context.Context) error
	// Undo puts back what before, a State.Before of this step, describes. It must
	// succeed when Apply was never reached, and when it is run twice.
	Undo(ctx context.Context, before json.RawMessage) error
}

// Decider is an Op of a critical section whose change may be made by others once it was
// decided, whatever becomes of the run.
type Decider interface {
	// Decided reads whether the change was decided. The section is completed then, and
	// never taken back.
	Decided(ctx context.Context) (bool, error)
}

// State is what Check saw.
type State struct {
	// Done means that there is nothing to do: the step is skipped, and never
	// undone by this migration.
	Done bool
	// Unknown means that Check cannot see yet, because an earlier step of the same
	// plan makes what it would look at; Now says which.
	Unknown bool
	// Now and Want are shown to the operator as before → after. One line each,
	// without secrets.
	Now, Want string
	// Hazards are those that Check found, shown beside the step's own.
	Hazards []Hazard
	// Before is the before-image: all that Undo needs. It holds nothing that changes
	// by itself (clocks, positions, counters), because a run refuses when it is not
	// what the reviewed plan saw; and no secret, because it is written to the journal.
	Before json.RawMessage
}

// Hazard is a risk that the operator should know about before the step runs.
type Hazard struct {
	ID   string `json:"id,omitempty"` // of docs/hazards.md, e.g. "H14", if it has one
	Text string `json:"text"`
}

// Step is one change, or one gate.
type Step struct {
	// Name is unique in its stage and the same in every run: letters, digits, '-', '.', ':'.
	Name string
	// Summary says what the step will do, in one line.
	Summary string
	// Gate marks a check that must hold before the next stage. Its Op changes
	// nothing; its Apply waits until the condition holds or ctx ends.
	Gate bool
	// CannotUndo says in words why the step cannot be taken back; empty when it can.
	CannotUndo string
	// Takes is the expected duration; 0 means seconds.
	Takes   time.Duration
	Hazards []Hazard
	Op      Op
}

// Stage is a set of steps that may run side by side. Stages run one after another.
type Stage struct {
	Name, Summary string
	// Wave is the wave of records that the stage belongs to; empty for the others.
	Wave  string
	Steps []Step
	// Critical marks a stage of the critical section (fence to unfence): the
	// consecutive critical stages of a plan. A failure or signal inside it undoes
	// the section at once, in reverse order, so that a writable side is restored.
	Critical bool
	// Serial runs the steps one after another in the listed order.
	Serial bool
	// Commits marks the stage that the gates before it guard. Once one of its steps is
	// made, they are not asked again: another look could only block the way forward.
	Commits bool
	// NoStop makes the first signal wait until this stage is over: what the critical
	// section began for the clients must be completed (DNS follows the writers).
	// The second signal stops the stage like any other.
	NoStop bool
}

// Plan is everything that one command will change.
type Plan struct {
	Site string
	// Kind is the verb: "apply", "cutover", "rollback", "finish".
	Kind string
	// Reverts names the kind whose completed steps count as undone once this plan
	// has finished: "rollback" reverts "cutover", and vice versa.
	Reverts string
	// Final means that no later plan takes this one's steps back: they are forgotten
	// once it has finished, so that the same plan can run again.
	Final bool
	// Config is the digest of the configuration that the plan was built from.
	Config string
	// GatesHold is how long a run that is resumed goes on with what a gate has said, until
	// the stage that commits; 0 is for ever.
	GatesHold time.Duration
	Stages    []Stage
}

// Key names a step of the plan.
func (p Plan) Key(stage Stage, step Step) Key {
	return Key{p.Kind, stage.Name, step.Name}
}

// section returns the critical section as a half-open range of stages; first ==
// last when there is none.
func (p Plan) section() (first, last int) {
	first = slices.IndexFunc(p.Stages, func(s Stage) bool { return s.Critical })
	if first < 0 {
		return 0, 0
	}
	for last = first; last < len(p.Stages) && p.Stages[last].Critical; last++ {
	}
	return first, last
}

// Digest is a hash over everything that the operator reviewed except what the
// Checks saw: the site, the kind, the configuration's digest, stages, steps,
// summaries, gates and hazards.
func (p Plan) Digest() string {
	type step struct {
		Name, Summary, CannotUndo string
		Gate                      bool
		Hazards                   []Hazard
	}
	type stage struct {
		Name             string
		Critical, Serial bool
		Steps            []step
	}
	d := struct {
		Site, Kind, Reverts, Config string
		Stages                      []stage
	}{p.Site, p.Kind, p.Reverts, p.Config, nil}
	for _, s := range p.Stages {
		out := stage{s.Name, s.Critical, s.Serial, nil}
		for _, t := range s.Steps {
			out.Steps = append(out.Steps, step{t.Name, t.Summary, t.CannotUndo, t.Gate, t.Hazards})
		}
		d.Stages = append(d.Stages, out)
	}
	return digest(d)
}

func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("plan: digest of plain data: %v", err)) // unreachable: only strings, bools and slices
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// ReadOnly is embedded by the Ops of gates: they change nothing, so nothing is undone.
type ReadOnly struct{}

// Undo does nothing.
func (ReadOnly) Undo(context.Context, json.RawMessage) error { return nil }

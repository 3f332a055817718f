package plan

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/dcmigrate/migrate/report"
)

// EventType is what happened.
type EventType string

// The events of a run and of its steps.
const (
	RunStarted  EventType = "run-started"
	RunResumed  EventType = "run-resumed"
	RunFinished EventType = "run-finished"
	RunFailed   EventType = "run-failed"
	RunStopped  EventType = "run-stopped" // by a signal, between steps, or at the stage that was asked for

	StepStarted  EventType = "started" // written ahead of Apply, with the before-image
	StepSkipped  EventType = "skipped" // found done: not ours, never undone by us
	StepApplied  EventType = "applied"
	StepVerified EventType = "verified"
	StepFailed   EventType = "failed"
	StepRetry    EventType = "retry"
	StepUndoing  EventType = "undoing"
	StepUndone   EventType = "undone"
	StepNote     EventType = "note"

	StepProgress EventType = "progress" // shown to readers, not written to the file
)

// Event is one line of the journal. It never holds a secret.
type Event struct {
	Seq    int             `json:"seq"`
	Time   time.Time       `json:"time"`
	Who    string          `json:"who"`
	Run    string          `json:"run"` // e.g. "cutover-2"
	Kind   string          `json:"kind"`
	Digest string          `json:"digest,omitempty"` // of the plan; on run events
	Step   Key             `json:"step,omitzero"`
	Type   EventType       `json:"event"`
	Text   string          `json:"text,omitempty"`
	Before json.RawMessage `json:"before,omitempty"`
	Gate   bool            `json:"gate,omitempty"` // on started: the step changes nothing
	// Reverts is set on run-finished: the kind whose steps count as undone from here on.
	Reverts string `json:"reverts,omitempty"`
	// Final is set on run-finished: the run\'s own steps are forgotten from here on.
	Final    bool             `json:"final,omitempty"`
	Millis   int64            `json:"ms,omitempty"` // how long the step or run took
	Progress *report.Progress `json:"-"`
}

// Phase is how far a step has come.
type Phase string

// Phases of a step, in order.
const (
	Untouched Phase = ""
	Skipped   Phase = "skipped"
	Started   Phase = "started"
	Applied   Phase = "applied"
	Verified  Phase = "verified"
	Undone    Phase = "undone"
)

// Record is what the journal knows of one step.
type Record struct {
	Key    Key
	Phase  Phase
	Gate   bool
	Ours   bool            // this migration started it, and has not undone it
	Before json.RawMessage // of the first start since it was last undone
	Order  int             // Seq of that start: undo runs from high to low
	Time   time.Time       // of the last event
	// InForceSince is when the step was first verified since it was last
	// undone: later verifications confirm it and do not move it.
	InForceSince time.Time
}

// RunRecord is what the journal knows of one run.
type RunRecord struct {
	ID, Kind, Digest string
	Started, Ended   time.Time
	Outcome          EventType // "" while unfinished (running, or killed)
}

// History is the journal, folded.
type History struct {
	Steps   map[Key]*Record
	Runs    []*RunRecord
	inForce map[string]bool
}

func newHistory() *History {
	return &History{Steps: map[Key]*Record{}, inForce: map[string]bool{}}
}

// Step returns the record of a step; a step without events has an empty one.
func (h *History) Step(key Key) Record {
	if r, ok := h.Steps[key]; ok {
		return *r
	}
	return Record{Key: key}
}

// LastRun returns the newest run of a kind, or nil.
func (h *History) LastRun(kind string) *RunRecord {
	for i := len(h.Runs) - 1; i >= 0; i-- {
		if h.Runs[i].Kind == kind {
			return h.Runs[i]
		}
	}
	return nil
}

// Ours lists the steps of a kind that this migration applied and has not
// undone, in the order of their start.
func (h *History) Ours(kind string) []Record {
	var out []Record
	for _, r := range h.Steps {
		if r.Key.Kind == kind && r.Ours {
			out = append(out, *r)
		}
	}
	sortRecords(out)
	return out
}

// Begun reports whether a step of the kind that changes something is ours: then
// the world is not the reviewed one any more, by our own doing.
func (h *History) Begun(kind string) bool {
	for _, r := range h.Steps {
		if r.Key.Kind == kind && r.Ours && !r.Gate {
			return true
		}
	}
	return false
}

// InForce reports whether a run of the kind has finished, and nothing of it was
// undone or reverted since.
func (h *History) InForce(kind string) bool { return h.inForce[kind] }

func (h *History) add(e Event) {
	if e.Step.IsZero() {
		h.addRun(e)
		return
	}
	r, ok := h.Steps[e.Step]
	if !ok {
		r = &Record{Key: e.Step}
		h.Steps[e.Step] = r
	}
	switch e.Type {
	case StepStarted:
		if !r.Ours {
			r.Ours, r.Before, r.Order, r.Gate = true, e.Before, e.Seq, e.Gate
		}
		if !e.Gate {
			h.inForce[e.Kind] = false // until the run has finished
		}
		r.Phase, r.InForceSince = Started, time.Time{}
	case StepSkipped:
		if !r.Ours {
			r.Phase = Skipped
		}
	case StepApplied:
		r.Phase = Applied
	case StepVerified:
		if r.Phase != Skipped {
			r.Phase = Verified
		}
		if r.InForceSince.IsZero() {
			r.InForceSince = e.Time
		}
	case StepUndone:
		h.inForce[r.Key.Kind] = false
		*r = Record{Key: r.Key, Phase: Undone}
	default:
		return // notes and failures do not move a step
	}
	r.Time = e.Time
}

func (h *History) addRun(e Event) {
	switch e.Type {
	case RunStarted:
		h.Runs = append(h.Runs, &RunRecord{ID: e.Run, Kind: e.Kind, Digest: e.Digest, Started: e.Time})
		h.forget(e.Kind, func(r *Record) bool { return r.Gate }) // a new run asks them anew
		return
	case RunFinished:
		if e.Final {
			h.forget(e.Kind, func(*Record) bool { return true })
		}
		h.inForce[e.Kind] = true
		if e.Reverts != "" {
			h.inForce[e.Reverts] = false
			h.forget(e.Reverts, func(*Record) bool { return true })
		}
	case RunResumed:
		if r := h.LastRun(e.Kind); r != nil {
			r.Outcome = ""
			r.Digest = cmp.Or(e.Digest, r.Digest) // it may go on by a plan that was reviewed anew
		}
		return
	case RunFailed, RunStopped:
	default:
		return
	}
	if r := h.LastRun(e.Kind); r != nil {
		r.Outcome, r.Ended = e.Type, e.Time
	}
}

// forget makes steps of a kind count as undone.
func (h *History) forget(kind string, which func(*Record) bool) {
	for key, r := range h.Steps {
		if key.Kind == kind && which(r) {
			*r = Record{Key: key, Phase: Undone}
		}
	}
}

package plan

import (
	"cmp"
	"encoding/json"
	"time"
)

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

// Record is what the journal says of one step.
type Record struct {
	Key    Key
	Phase  Phase
	Gate   bool
	Ours   bool            // this migration started it and has not undone it
	Before json.RawMessage // of the first start since it was last undone
	Order  int             // Seq of that start: undo goes from high to low
	Time   time.Time       // of the last event
	// InForceSince is when the step was first verified since it was last
	// undone: later verifications confirm it and do not move it.
	InForceSince time.Time
}

// RunRecord is what the journal says of one run.
type RunRecord struct {
	ID, Kind, Digest string
	Started, Ended   time.Time
	Outcome          EventType // "" while unfinished: running, or killed
}

// History is the journal folded: the state of every step and run.
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

// Begun reports whether this migration has started a step of the kind that changes
// something. If so, its own steps explain why what the Checks see differs from
// the review.
func (h *History) Begun(kind string) bool {
	for _, r := range h.Steps {
		if r.Key.Kind == kind && r.Ours && !r.Gate {
			return true
		}
	}
	return false
}

// InForce reports whether a run of the kind has finished and nothing of it was
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
			h.inForce[e.Kind] = false // until the run finishes
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
		h.forget(e.Kind, func(r *Record) bool { return r.Gate }) // a new run asks its gates again
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
			r.Digest = cmp.Or(e.Digest, r.Digest) // it may continue with a plan that was reviewed again
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

package plan

import (
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
	RunStopped  EventType = "run-stopped" // between steps: by a signal, or after RunOptions.To

	StepStarted  EventType = "started" // written ahead of Apply, with the before-image
	StepSkipped  EventType = "skipped" // found done: this migration never undoes it
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
	// Reverts is set on run-finished: from then on the steps of this kind count as undone.
	Reverts string `json:"reverts,omitempty"`
	// Final is set on run-finished: from then on the run's own steps are forgotten.
	Final    bool             `json:"final,omitempty"`
	Millis   int64            `json:"ms,omitempty"` // how long the step or run took
	Progress *report.Progress `json:"-"`
}

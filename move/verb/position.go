// Package verb has the verbs that change something: apply, cutover, rollback and
// finish. It says where a move stands between them, which of them fits there, and
// under which keys later verbs find an earlier one's steps. It needs only the
// journal's history. It promises that names which code decides on are made here and
// nowhere else.
package verb

import (
	"github.com/dcmigrate/migrate/plan"
)

// Kinds of plans: the verbs that change something.
const (
	Apply    = "apply"
	Cutover  = "cutover"
	Rollback = "rollback"
	Finish   = "finish"
)

// Position is where the move stands, by the journal.
type Position string

// Positions.
const (
	NotStarted    Position = "not started"
	Applying      Position = "apply is unfinished"
	Applied       Position = "ready to cut over" // traffic is on the source, both links run
	SwitchingOver Position = "cutover is unfinished"
	OnTarget      Position = "traffic is on the target"
	SwitchingBack Position = "rollback is unfinished"
	Finishing     Position = "finish is unfinished"
	Finished      Position = "finished"
)

// PositionOf derives the position from the journal's history.
func PositionOf(h *plan.History) Position {
	switch {
	case h.InForce(Finish):
		return Finished
	case h.Begun(Finish):
		return Finishing
	case unfinished(h, Rollback):
		return SwitchingBack
	case h.InForce(Cutover):
		return OnTarget
	case unfinished(h, Cutover):
		return SwitchingOver
	case h.InForce(Apply):
		return Applied
	case h.Begun(Apply):
		return Applying
	}
	return NotStarted
}

// unfinished reports whether a switch has changed something and has not finished.
func unfinished(h *plan.History, kind string) bool {
	return !h.InForce(kind) && h.Begun(kind)
}

// Allowed returns a *RefusedError unless the verb fits the position.
func Allowed(kind string, at Position) error {
	fits := map[string][]Position{
		Apply:    {NotStarted, Applying, Applied},
		Cutover:  {Applied, SwitchingOver, OnTarget},
		Rollback: {SwitchingOver, OnTarget, SwitchingBack},
		Finish:   {OnTarget, Finishing, Finished},
	}
	for _, p := range fits[kind] {
		if p == at {
			return nil
		}
	}
	hints := map[Position]string{
		NotStarted:    "migrate apply",
		Applying:      "finish it: migrate apply; or take it back: migrate rollback --all",
		Applied:       "migrate cutover; to take apply back: migrate rollback --all",
		SwitchingOver: "finish it: migrate cutover; or go back: migrate rollback",
		OnTarget:      "migrate rollback, or migrate finish",
		SwitchingBack: "finish it: migrate rollback",
		Finishing:     "finish it: migrate finish",
		Finished:      "this migration is over; the way back is a new one",
	}
	return Refuse(hints[at], "%s does not fit here: %s", kind, at)
}

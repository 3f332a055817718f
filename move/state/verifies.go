package state

import (
	"context"
	"time"

	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication/verify"
)

// Verifies keeps the last verify report of each pair. It implements verify.Store.
type Verifies struct{ *Folder }

func verifyFile(pair string) string { return "verify-" + pair + ".json" }

// LastVerify returns the last report; ok is false if it is of an earlier seed, or from
// before the writers changed sides, because rows may have changed since.
func (v Verifies) LastVerify(_ context.Context, pair string) (verify.Report, bool, error) {
	r, ok, err := v.Saved(pair)
	if err != nil || !ok {
		return r, false, err
	}
	h, err := v.History()
	if err != nil {
		return r, false, err
	}
	return r, !r.Started.Before(seededOrSwitched(h)), nil
}

// seededOrSwitched is when the rows were last copied, linked or written from
// another side.
func seededOrSwitched(h *plan.History) time.Time {
	var last time.Time
	for key, r := range h.Steps {
		copies := key.Stage == verb.StageSeed || key.Stage == verb.StageForward || key.Stage == verb.StageReverse
		if key.Kind == verb.Apply && copies && r.InForceSince.After(last) {
			last = r.InForceSince
		}
	}
	for _, r := range h.Runs {
		if (r.Kind == verb.Cutover || r.Kind == verb.Rollback) && r.Outcome == plan.RunFinished && r.Ended.After(last) {
			last = r.Ended
		}
	}
	return last
}

// Saved is the last report as it was saved.
func (v Verifies) Saved(pair string) (r verify.Report, ok bool, err error) {
	ok, err = v.read(verifyFile(pair), &r)
	return r, ok, err
}

// SaveVerify implements verify.Store.
func (v Verifies) SaveVerify(_ context.Context, r verify.Report) error {
	return plan.WriteJSON(v.Path(verifyFile(r.Pair)), r)
}

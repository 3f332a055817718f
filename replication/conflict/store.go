package conflict

import (
	"context"
	"time"

	"github.com/dcmigrate/migrate/replication"
)

// WindowStart is, for each server's log, the GTID set of the transactions before a window.
type WindowStart struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// of returns the start in the log of a side.
func (w WindowStart) of(side replication.Side) string {
	if side == replication.Source {
		return w.Source
	}
	return w.Target
}

// Window is a time in which both sides of a pair accept writes.
type Window struct {
	Pair   string      `json:"pair"`
	Start  WindowStart `json:"start"`
	Opened time.Time   `json:"opened"`
	Closed bool        `json:"closed"` // one side is fenced again, and the whole window was reported
}

// Store keeps a pair's window and its last reports.
type Store interface {
	// Window returns a pair's last window; ok is false if there is none.
	Window(ctx context.Context, pair string) (w Window, ok bool, err error)
	// SaveWindow replaces the last window; nil forgets it.
	SaveWindow(ctx context.Context, pair string, w *Window) error
	// Report returns the last report of a switch that entered a side; ok is false if
	// there is none.
	Report(ctx context.Context, pair string, entered replication.Side) (r Report, ok bool, err error)
	// SaveReport keeps a report and returns the place where the operator finds it.
	SaveReport(ctx context.Context, r Report) (where string, err error)
}

package conflict

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/report"
)

// openWindowOp keeps where the logs stand before both sides accept writes.
type openWindowOp struct {
	pair  replication.Pair
	store Store
}

// OpenWindow returns the step that keeps which transactions both sides of a pair have,
// before the second side accepts writes, too: Gate reads the logs from there. A window
// that is open stays as it is, so that a switch back also reports what the switch
// before it began.
func OpenWindow(pair replication.Pair, store Store) plan.Step {
	return plan.Step{
		Name:    "window-" + pair.Name,
		Summary: "keep where the logs of both sides stand, to tell conflicting writes later",
		Op:      replication.WhenProvisioned{Op: openWindowOp{pair, store}},
	}
}

// Check looks for an open window.
func (o openWindowOp) Check(ctx context.Context) (plan.State, error) {
	if _, err := o.pair.Target.Endpoint(ctx); err != nil {
		return plan.State{}, err
	}
	w, ok, err := o.store.Window(ctx, o.pair.Name)
	if err != nil {
		return plan.State{}, err
	}
	state := plan.State{Done: ok && !w.Closed, Now: "no window is open", Want: "a window is open"}
	if state.Done {
		state.Now = "a window is open"
	}
	return state, nil
}

// Apply keeps the transactions that both sides have. It drops accounts that a crash has
// left.
func (o openWindowOp) Apply(ctx context.Context) error {
	state, err := o.Check(ctx)
	if err != nil || state.Done {
		return err
	}
	if err := errors.Join(binlog.ReaderLogin(o.pair.Source).Drop(ctx), binlog.ReaderLogin(o.pair.Target).Drop(ctx)); err != nil {
		return err
	}
	start, err := windowStart(ctx, o.pair)
	if err != nil {
		return err
	}
	return o.store.SaveWindow(ctx, o.pair.Name, &Window{Pair: o.pair.Name, Start: start, Opened: time.Now().UTC()})
}

// Verify looks for the window; it may be closed by now.
func (o openWindowOp) Verify(ctx context.Context) error {
	_, ok, err := o.store.Window(ctx, o.pair.Name)
	if err == nil && !ok {
		err = fmt.Errorf("verify the window of %s: none is kept", o.pair.Name)
	}
	return err
}

// Undo forgets the window.
func (o openWindowOp) Undo(ctx context.Context, _ json.RawMessage) error {
	return o.store.SaveWindow(ctx, o.pair.Name, nil)
}

// reportOp is the gate that reports conflicting writes.
type reportOp struct {
	plan.ReadOnly
	pair  replication.Pair
	enter replication.Side
	store Store
	wait  time.Duration
}

// Gate returns the gate, for the way dual, that reads the binlogs of both sides from
// where OpenWindow found them, and reports every key that clients of both sides wrote
// without having the other's write (H1, H2). The side that is left must be fenced.
// Conflicts are noted and kept by the store; they do not keep the gate closed. The gate
// stays closed if the entered side still lacks transactions of the other after wait; it
// reports what is known by then.
func Gate(pair replication.Pair, enter replication.Side, store Store, wait time.Duration) plan.Step {
	return plan.Step{
		Name:    "conflicts-" + pair.Name,
		Summary: "report rows that were written on both sides at once",
		Gate:    true,
		Hazards: []plan.Hazard{
			{ID: "H1", Text: "a row written on both sides at once ends differently on each; it is reported, not mended"},
		},
		Op: replication.WhenProvisioned{Op: reportOp{pair: pair, enter: enter, store: store, wait: wait}},
	}
}

// Check tells whether there is a window to report.
func (c reportOp) Check(ctx context.Context) (plan.State, error) {
	if _, err := c.pair.Target.Endpoint(ctx); err != nil {
		return plan.State{}, err
	}
	w, ok, err := c.store.Window(ctx, c.pair.Name)
	if err != nil {
		return plan.State{}, err
	}
	state := plan.State{Now: "both sides do not take writes yet", Want: "reported"}
	switch {
	case ok && w.Closed:
		state.Now = "the last window is reported"
	case ok:
		state.Now = "a window is open"
	}
	return state, nil
}

// Apply reads both logs and keeps the report.
func (c reportOp) Apply(ctx context.Context) error {
	w, ok, err := c.store.Window(ctx, c.pair.Name)
	if err != nil {
		return err
	}
	if !ok { // the operator has given up the report: nothing else forgets an open window here
		report.Note(ctx, "%s: conflicting writes are not reported: it is not known where the logs stood when both sides began to take writes", c.pair.Name)
		return nil
	}
	found, err := scanWindow(ctx, c.pair, w, c.enter, c.wait)
	if found.Finished.IsZero() {
		return err
	}
	where, saveErr := c.store.SaveReport(ctx, found)
	if saveErr != nil {
		return errors.Join(err, saveErr)
	}
	noteReport(ctx, found, where)
	if err != nil {
		return report.WithHint(fmt.Errorf("report conflicts of %s: the link stopped, %s has what is known: %w", c.pair.Name, where, err),
			"see docs/conflicts.md for a link that has stopped; then run the same command again")
	}
	w.Closed = true
	return c.store.SaveWindow(ctx, c.pair.Name, &w)
}

// Verify looks for the complete report of this window, if there is one.
func (c reportOp) Verify(ctx context.Context) error {
	w, ok, err := c.store.Window(ctx, c.pair.Name)
	if err != nil || !ok {
		return err
	}
	r, reported, err := c.store.Report(ctx, c.pair.Name, c.enter)
	if err == nil && (!reported || !r.Complete || r.Start != w.Start) {
		err = fmt.Errorf("verify the conflicts of %s: they are not reported", c.pair.Name)
	}
	return err
}

// dropReadersOp drops the accounts of readers that a crash has left.
type dropReadersOp struct{ pair replication.Pair }

// DropReaders returns the step of `finish` that drops the accounts that an interrupted
// reading of the binlogs may have left on either side.
func DropReaders(pair replication.Pair) plan.Step {
	return plan.Step{
		Name:       "readers-" + pair.Name,
		Summary:    "no account that read the binlogs is left",
		CannotUndo: "nothing uses them",
		Op:         replication.WhenProvisioned{Op: dropReadersOp{pair}},
	}
}

// Check looks for the accounts.
func (d dropReadersOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Done: true, Now: "no account is left", Want: "no account is left"}
	for _, s := range []*replication.Server{d.pair.Source, d.pair.Target} {
		hosts, err := binlog.ReaderLogin(s).Hosts(ctx)
		if err != nil {
			return plan.State{}, err
		}
		if len(hosts) > 0 {
			state.Done, state.Now = false, "an account is left on "+s.Name()
		}
	}
	return state, nil
}

// Apply drops the accounts.
func (d dropReadersOp) Apply(ctx context.Context) error {
	return errors.Join(binlog.ReaderLogin(d.pair.Source).Drop(ctx), binlog.ReaderLogin(d.pair.Target).Drop(ctx))
}

// Verify asks the servers.
func (d dropReadersOp) Verify(ctx context.Context) error {
	state, err := d.Check(ctx)
	if err == nil && !state.Done {
		err = fmt.Errorf("verify: %s", state.Now)
	}
	return err
}

// Undo does nothing: nothing uses the accounts.
func (dropReadersOp) Undo(context.Context, json.RawMessage) error { return nil }

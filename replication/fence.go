package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// FenceOptions are the limits of a fence.
type FenceOptions struct {
	// Wait bounds how long open write transactions and running statements get
	// to end before the fence; default 5 s. New writes wait, too, while the
	// server waits for running statements.
	Wait time.Duration
	// Kill ends what is still running then. Without it the fence is taken back
	// and the error names the session.
	Kill bool
	// Admins are accounts that may keep what passes the fence (H14, MariaDB
	// only). Root and the login of migrate may hold such privileges anyway, but
	// neither lend them by a routine nor be an application's.
	Admins []string
}

func (o FenceOptions) wait() time.Duration {
	if o.Wait > 0 {
		return o.Wait
	}
	return 5 * time.Second
}

// fenceOp closes a server to application writes, or opens it.
type fenceOp struct {
	server *Server
	opt    FenceOptions
	closed bool // what is wanted
	// proven is set once this very step has proved its fence: then Verify, which
	// comes right after Apply while nobody can write, need not prove it again.
	proven *atomic.Bool
}

// fenceBefore is the before-image of a fence.
type fenceBefore struct {
	Fenced bool `json:"fenced"`
	Kept   bool `json:"kept"` // over a restart of the server
}

// Fence returns the step that makes a server refuse application writes:
// read_only on MariaDB, super_read_only on MySQL, kept over a restart of the
// server. Once it is applied no application transaction commits there, also
// none that was open; replication goes on.
func Fence(s *Server, opt FenceOptions) plan.Step {
	return plan.Step{
		Name:    "fence-" + string(s.Side()),
		Summary: fmt.Sprintf("make %s refuse application writes", s.Name()),
		Takes:   opt.wait(),
		Hazards: []plan.Hazard{
			{ID: "H14", Text: "privileged users pass MariaDB's read_only: such users, their routines and sessions are refused"},
			{ID: "H15", Text: fmt.Sprintf("a long statement blocks the fence: it waits %s, then gives up or kills", opt.wait())},
		},
		Op: onceMade{fenceOp{s, opt, true, new(atomic.Bool)}},
	}
}

// Unfence returns the step that lets application writes into a server.
func Unfence(s *Server) plan.Step {
	return plan.Step{
		Name:    "unfence-" + string(s.Side()),
		Summary: fmt.Sprintf("let application writes into %s", s.Name()),
		Op:      onceMade{fenceOp{server: s}},
	}
}

// fenceState is how a server's fence is.
type fenceState struct {
	closed bool // no application write is let in
	open   bool // nothing of the fence is set; neither closed nor open on MySQL: read_only alone
	kept   bool // it comes back after a restart
}

// readFence reads the running and the kept fence.
func readFence(ctx context.Context, s *Server) (fenceState, error) {
	state, err := runningFence(ctx, s)
	if err != nil {
		return fenceState{}, err
	}
	d, err := s.Dialect(ctx)
	if err != nil {
		return fenceState{}, err
	}
	names := d.FenceVariables()
	kept, err := persistence{s, fenceTopic}.read(ctx, names...)
	if err != nil {
		return fenceState{}, err
	}
	for _, name := range names {
		state.kept = state.kept || isOn(kept[name])
	}
	return state, nil
}

// runningFence reads only what is in force now; it never needs the server's
// machine, and is what counts inside the critical section.
func runningFence(ctx context.Context, s *Server) (fenceState, error) {
	db, d, err := s.Open(ctx)
	if err != nil {
		return fenceState{}, err
	}
	names := d.FenceVariables()
	running, err := variables(ctx, db, names...)
	if err != nil {
		return fenceState{}, s.wrap("read the fence", err)
	}
	state := fenceState{closed: isOn(running[names[0]]), open: true}
	for _, name := range names {
		state.open = state.open && !isOn(running[name])
	}
	return state, nil
}

func (f fenceState) String() string {
	text := "refuses application writes"
	switch {
	case f.open:
		text = "accepts application writes"
	case !f.closed:
		text = "accepts the writes of administrators only"
	}
	if f.open == f.kept {
		text += map[bool]string{true: ", until it restarts", false: " until it restarts"}[f.open]
	}
	return text
}

// Check reads the fence, and finds accounts that would pass it.
func (f fenceOp) Check(ctx context.Context) (plan.State, error) {
	now, err := readFence(ctx, f.server)
	if err != nil {
		return plan.State{}, err
	}
	canKeep, err := persistence{f.server, fenceTopic}.supported(ctx)
	if err != nil {
		return plan.State{}, err
	}
	state := plan.State{Now: now.String(), Want: "accepts application writes", Done: now.open && !now.kept}
	if f.closed {
		state.Want, state.Done = "refuses application writes", now.closed && (now.kept || !canKeep)
		if !state.Done {
			if _, err := f.refuseLeaks(ctx); err != nil {
				return plan.State{}, err
			}
		}
	}
	state.Before, err = json.Marshal(fenceBefore{Fenced: now.closed, Kept: now.kept})
	return state, err
}

// Apply sets or takes away the fence.
func (f fenceOp) Apply(ctx context.Context) (err error) {
	if !f.closed {
		return openFence(ctx, f.server)
	}
	f.proven.Store(false)
	named, err := f.refuseLeaks(ctx)
	if err != nil {
		return err
	}
	for _, way := range named {
		report.Note(ctx, "past the fence of %s, because cutover.admins names them: %s", f.server.Name(), way)
	}
	// What the proof needs is made before: once the fence is set, time counts.
	probe, err := openProbe(ctx, f.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, probe.close(ctx)) }()
	if err := f.close(ctx); err != nil {
		return err
	}
	if err := probe.refused(ctx); err != nil {
		return err
	}
	f.proven.Store(true)
	return nil
}

// Verify asks the server, and proves a fence by a write that must be refused.
// After this step's own Apply, which has proved it and read back what is kept,
// it only asks what is in force.
func (f fenceOp) Verify(ctx context.Context) error {
	if f.closed && f.proven.Load() {
		now, err := runningFence(ctx, f.server)
		if err == nil && !now.closed {
			err = fmt.Errorf("verify the fence: %s %s", f.server.Name(), now)
		}
		return err
	}
	state, err := f.Check(ctx)
	if err != nil {
		return err
	}
	if !state.Done {
		return fmt.Errorf("verify the fence: %s %s", f.server.Name(), state.Now)
	}
	if !f.closed {
		return nil
	}
	return proveFence(ctx, f.server)
}

// Undo puts the fence back to what it was.
func (f fenceOp) Undo(ctx context.Context, before json.RawMessage) error {
	var image fenceBefore
	if err := readBefore(before, &image); err != nil {
		return err
	}
	if f.closed {
		f.proven.Store(false)
	}
	if image.Fenced {
		return f.close(ctx)
	}
	return openFence(ctx, f.server)
}

// close fences the server. The kept value is written first: from then on a
// restart of the server cannot lift a fence that was reported as set.
func (f fenceOp) close(ctx context.Context) (err error) {
	before, err := runningFence(ctx, f.server)
	if err != nil {
		return err
	}
	lock, err := lockFence(ctx, f.server)
	if err != nil {
		return err
	}
	defer lock.Close()
	canKeep, err := persistence{f.server, fenceTopic}.supported(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && !before.closed {
			lock.Close() // taking back needs the lock
			err = errors.Join(err, f.takeBack(ctx))
		}
	}()
	if canKeep {
		err = f.keep(ctx)
		if err != nil {
			return err
		}
	} else {
		report.Note(ctx, "the fence of %s does not survive its restart: its machine cannot be reached", f.server.Name())
	}
	if before.closed {
		return nil
	}
	deadline := time.Now().Add(f.opt.wait())
	if err := f.settleTransactions(ctx, time.Now().Add(f.opt.wait()/2)); err != nil {
		return err
	}
	return f.set(ctx, lock, deadline)
}

// keep makes the fence survive a restart.
func (f fenceOp) keep(ctx context.Context) error {
	dialect, err := f.server.Dialect(ctx)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, name := range dialect.FenceVariables() {
		values[name] = "ON"
	}
	return persistence{f.server, fenceTopic}.write(ctx, values)
}

// takeBack lifts a fence that was not completed, also when ctx has ended.
func (f fenceOp) takeBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
	defer cancel()
	if err := openFence(ctx, f.server); err != nil {
		return fmt.Errorf("take the fence back: %w", err)
	}
	return nil
}

// openFence lets application writes in.
func openFence(ctx context.Context, s *Server) error {
	lock, err := lockFence(ctx, s)
	if err != nil {
		return err
	}
	defer lock.Close()
	return openFenceIn(ctx, s, lock)
}

// openFenceIn opens in the session that has the fence's lock.
func openFenceIn(ctx context.Context, s *Server, lock *Session) error {
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return err
	}
	kept := persistence{s, fenceTopic}
	if dialect.ForgetFenceFirst() {
		if err := kept.forget(ctx, dialect.FenceVariables()...); err != nil {
			return err
		}
	}
	for _, statement := range dialect.UnfenceStatements() {
		if _, err := lock.ExecContext(ctx, statement); err != nil {
			return s.wrap(statement, err)
		}
	}
	if !dialect.ForgetFenceFirst() {
		return kept.forget(ctx, dialect.FenceVariables()...)
	}
	return nil
}

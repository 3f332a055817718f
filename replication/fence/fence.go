package fence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
)

// Options are the limits of a fence.
type Options struct {
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

// EffectiveWait is Wait, or its default.
func (o Options) EffectiveWait() time.Duration {
	if o.Wait > 0 {
		return o.Wait
	}
	return 5 * time.Second
}

// fenceOp closes a server to application writes, or opens it.
type op struct {
	server *replication.Server
	opt    Options
	closed bool // what is wanted
	// proven is set once this very step has proved its fence: then Verify, which
	// comes right after Apply while nobody can write, need not prove it again.
	proven *atomic.Bool
}

// fenceBefore is the before-image of a fence.
type beforeImage struct {
	Fenced bool `json:"fenced"`
	Kept   bool `json:"kept"` // over a restart of the server
}

// Set returns the step that makes a server refuse application writes:
// read_only on MariaDB, super_read_only on MySQL, kept over a restart of the
// server. Once it is applied no application transaction commits there, also
// none that was open; replication goes on.
func Set(s *replication.Server, opt Options) plan.Step {
	return plan.Step{
		Name:    "fence-" + string(s.Side()),
		Summary: fmt.Sprintf("make %s refuse application writes", s.Name()),
		Takes:   opt.EffectiveWait(),
		Hazards: []plan.Hazard{
			{ID: "H14", Text: "privileged users pass MariaDB's read_only: such users, their routines and sessions are refused"},
			{ID: "H15", Text: fmt.Sprintf("a long statement blocks the fence: it waits %s, then gives up or kills", opt.EffectiveWait())},
		},
		Op: replication.WhenProvisioned{Op: op{s, opt, true, new(atomic.Bool)}},
	}
}

// Lift returns the step that lets application writes into a server.
func Lift(s *replication.Server) plan.Step {
	return plan.Step{
		Name:    "unfence-" + string(s.Side()),
		Summary: fmt.Sprintf("let application writes into %s", s.Name()),
		Op:      replication.WhenProvisioned{Op: op{server: s}},
	}
}

// State is how a server's fence is.
type State struct {
	Closed bool // no application write is let in
	Open   bool // nothing of the fence is set; neither closed nor open on MySQL: read_only alone
	Kept   bool // it comes back after a restart
}

// Read reads the running and the kept fence.
func Read(ctx context.Context, s *replication.Server) (State, error) {
	state, err := ReadRunning(ctx, s)
	if err != nil {
		return State{}, err
	}
	d, err := s.Dialect(ctx)
	if err != nil {
		return State{}, err
	}
	names := d.FenceVariables()
	kept, err := setting.Persistence{Server: s, Topic: setting.FenceTopic}.Read(ctx, names...)
	if err != nil {
		return State{}, err
	}
	for _, name := range names {
		state.Kept = state.Kept || dialect.IsOn(kept[name])
	}
	return state, nil
}

// ReadRunning reads only what is in force now; it never needs the server's
// machine, and is what counts inside the critical section.
func ReadRunning(ctx context.Context, s *replication.Server) (State, error) {
	db, d, err := s.Open(ctx)
	if err != nil {
		return State{}, err
	}
	names := d.FenceVariables()
	running, err := query.Variables(ctx, db, names...)
	if err != nil {
		return State{}, s.Wrap("read the fence", err)
	}
	state := State{Closed: dialect.IsOn(running[names[0]]), Open: true}
	for _, name := range names {
		state.Open = state.Open && !dialect.IsOn(running[name])
	}
	return state, nil
}

func (f State) String() string {
	text := "refuses application writes"
	switch {
	case f.Open:
		text = "accepts application writes"
	case !f.Closed:
		text = "accepts the writes of administrators only"
	}
	if f.Open == f.Kept {
		text += map[bool]string{true: ", until it restarts", false: " until it restarts"}[f.Open]
	}
	return text
}

// Check reads the fence, and finds accounts that would pass it.
func (f op) Check(ctx context.Context) (plan.State, error) {
	now, err := Read(ctx, f.server)
	if err != nil {
		return plan.State{}, err
	}
	canKeep, err := setting.Persistence{Server: f.server, Topic: setting.FenceTopic}.Supported(ctx)
	if err != nil {
		return plan.State{}, err
	}
	state := plan.State{Now: now.String(), Want: "accepts application writes", Done: now.Open && !now.Kept}
	if f.closed {
		state.Want, state.Done = "refuses application writes", now.Closed && (now.Kept || !canKeep)
		if !state.Done {
			if _, err := f.refuseBypasses(ctx); err != nil {
				return plan.State{}, err
			}
		}
	}
	state.Before, err = json.Marshal(beforeImage{Fenced: now.Closed, Kept: now.Kept})
	return state, err
}

// Apply sets or takes away the fence.
func (f op) Apply(ctx context.Context) (err error) {
	if !f.closed {
		return Open(ctx, f.server)
	}
	f.proven.Store(false)
	named, err := f.refuseBypasses(ctx)
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
	if err := probe.requireRefused(ctx); err != nil {
		return err
	}
	f.proven.Store(true)
	return nil
}

// Verify asks the server, and proves a fence by a write that must be refused.
// After this step's own Apply, which has proved it and read back what is kept,
// it only asks what is in force.
func (f op) Verify(ctx context.Context) error {
	if f.closed && f.proven.Load() {
		now, err := ReadRunning(ctx, f.server)
		if err == nil && !now.Closed {
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
func (f op) Undo(ctx context.Context, before json.RawMessage) error {
	var image beforeImage
	if err := replication.ReadBefore(before, &image); err != nil {
		return err
	}
	if f.closed {
		f.proven.Store(false)
	}
	if image.Fenced {
		return f.close(ctx)
	}
	return Open(ctx, f.server)
}

// close fences the server. The kept value is written first: from then on a
// restart of the server cannot lift a fence that was reported as set.
func (f op) close(ctx context.Context) (err error) {
	before, err := ReadRunning(ctx, f.server)
	if err != nil {
		return err
	}
	lock, err := account.LockFence(ctx, f.server)
	if err != nil {
		return err
	}
	defer lock.Close()
	canKeep, err := setting.Persistence{Server: f.server, Topic: setting.FenceTopic}.Supported(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && !before.Closed {
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
		report.Note(ctx, "the fence of %s does not survive its restart: its host cannot be reached", f.server.Name())
	}
	if before.Closed {
		return nil
	}
	deadline := time.Now().Add(f.opt.EffectiveWait())
	if err := f.awaitTransactions(ctx, time.Now().Add(f.opt.EffectiveWait()/2)); err != nil {
		return err
	}
	return f.set(ctx, lock, deadline)
}

// keep makes the fence survive a restart.
func (f op) keep(ctx context.Context) error {
	dialect, err := f.server.Dialect(ctx)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, name := range dialect.FenceVariables() {
		values[name] = "ON"
	}
	return setting.Persistence{Server: f.server, Topic: setting.FenceTopic}.Write(ctx, values)
}

// takeBack lifts a fence that was not completed, also when ctx has ended.
func (f op) takeBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
	defer cancel()
	if err := Open(ctx, f.server); err != nil {
		return fmt.Errorf("take the fence back: %w", err)
	}
	return nil
}

// Close makes a server refuse application writes, as the step of Set does with its
// defaults, but neither looks for accounts that pass the fence nor proves it.
func Close(ctx context.Context, s *replication.Server) error {
	return op{server: s, closed: true}.close(ctx)
}

// Open lets application writes in.
func Open(ctx context.Context, s *replication.Server) error {
	lock, err := account.LockFence(ctx, s)
	if err != nil {
		return err
	}
	defer lock.Close()
	return OpenIn(ctx, s, lock)
}

// OpenIn opens in the session that has the fence's lock.
func OpenIn(ctx context.Context, s *replication.Server, lock *replication.Session) error {
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return err
	}
	kept := setting.Persistence{Server: s, Topic: setting.FenceTopic}
	if dialect.ForgetFenceFirst() {
		if err := kept.Forget(ctx, dialect.FenceVariables()...); err != nil {
			return err
		}
	}
	for _, statement := range dialect.UnfenceStatements() {
		if _, err := lock.ExecContext(ctx, statement); err != nil {
			return s.Wrap(statement, err)
		}
	}
	if !dialect.ForgetFenceFirst() {
		return kept.Forget(ctx, dialect.FenceVariables()...)
	}
	return nil
}

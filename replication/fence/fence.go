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
	// Wait bounds the wait for open write transactions and running statements to end
	// before the fence is set; 0 means 5 s. New writes wait, too, while the server waits for
	// running statements.
	Wait time.Duration
	// Kill ends the sessions that still run after Wait. Without it the fence is lifted
	// again and the error names the sessions.
	Kill bool
	// Admins are accounts that may keep privileges that pass the fence (H14, MariaDB
	// only). Root and migrate's login may have such privileges anyway, but neither define a
	// routine that uses them nor be an application's login.
	Admins []string
	// Schemas are the pair's: a step of the switch turns off their events before the fence,
	// so that those are refused only if they are still on then. None means all but the
	// system's.
	Schemas []string
	// MayOpen is asked before the step lifts the fence again, in its Undo or because it
	// could not be completed; nil is always. An error leaves the fence as it is.
	MayOpen func(context.Context) error
}

// EffectiveWait is Wait, or its default.
func (o Options) EffectiveWait() time.Duration {
	if o.Wait > 0 {
		return o.Wait
	}
	return 5 * time.Second
}

// op closes a server to application writes, or opens it.
type op struct {
	server *replication.Server
	opt    Options
	closed bool // the wanted state
	// proven is true after this step's own Apply has proved the fence. Verify, which follows
	// while applications cannot write, then does not prove it again.
	proven *atomic.Bool
}

// beforeImage is the before-image of a step.
type beforeImage struct {
	Fenced bool `json:"fenced"`
	Kept   bool `json:"kept"` // over a restart of the server
}

// Set returns the step that makes a server refuse application writes: read_only on
// MariaDB, super_read_only on MySQL, kept over a restart of the server. After it no
// application transaction commits there, not even one that was open. Replication
// continues.
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

// State is the state of a server's fence.
type State struct {
	Closed bool // the server refuses application writes
	Open   bool // no variable of the fence is set; on MySQL read_only alone is neither Closed nor Open
	Kept   bool // the fence comes back after a restart
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

// ReadRunning reads only the running fence. It does not need the server's host, and the
// critical section of a cutover depends on it alone.
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

// Check reads the fence and refuses one that has bypasses.
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
			if _, err := f.refuseBypasses(ctx, Moved(f.opt.Schemas)); err != nil {
				return plan.State{}, err
			}
			if err := RefusePrepared(ctx, f.server); err != nil {
				return plan.State{}, err
			}
			if err := f.requireFree(ctx, canKeep); err != nil {
				return plan.State{}, err
			}
		}
	}
	state.Before, err = json.Marshal(beforeImage{Fenced: now.Closed, Kept: now.Kept})
	return state, err
}

// Apply sets or lifts the fence.
func (f op) Apply(ctx context.Context) (err error) {
	if !f.closed {
		return Open(ctx, f.server)
	}
	f.proven.Store(false)
	named, err := f.refuseBypasses(ctx, none)
	if err != nil {
		return err
	}
	for _, text := range named {
		report.Note(ctx, "past the fence of %s, because cutover.admins names them: %s", f.server.Name(), text)
	}
	// The probe is opened before the fence is set, because writes wait from then on.
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

// Verify reads the fence and proves it by a write that must be refused. After this step's
// own Apply, which has proved the fence and read back the kept value, Verify only reads the
// running fence.
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

// Undo restores the fence's earlier state.
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
	return f.open(ctx)
}

// open lifts the fence, if that is allowed.
func (f op) open(ctx context.Context) error {
	if f.opt.MayOpen != nil {
		if err := f.opt.MayOpen(ctx); err != nil {
			return err
		}
	}
	return Open(ctx, f.server)
}

// close fences the server. It writes the kept value first, so that a restart of the server
// never lifts a fence that was reported as set.
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
			lock.Close() // revert needs the lock
			err = errors.Join(err, f.revert(ctx))
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
	half := time.Now().Add(f.opt.EffectiveWait() / 2)
	if err := f.awaitOpenTransactions(ctx, half); err != nil {
		return err
	}
	if err := refusePrepared(ctx, f.server, half); err != nil {
		return fmt.Errorf("fence %w", err)
	}
	if err := f.set(ctx, lock, deadline); err != nil {
		return err
	}
	if err := f.refuseLateEvents(ctx); err != nil {
		return err
	}
	return f.refuseXA(ctx, deadline)
}

// keep makes the fence survive a restart of the server.
func (f op) keep(ctx context.Context) error {
	dialect, err := f.server.Dialect(ctx)
	if err != nil {
		return err
	}
	kept, values := keptFence(f.server, dialect)
	if err := kept.Write(ctx, values); err != nil {
		return err
	}
	return kept.RequireInForce(ctx, values)
}

// requireFree refuses a server on which something would lift a kept fence at a restart.
func (f op) requireFree(ctx context.Context, canKeep bool) error {
	d, err := f.server.Dialect(ctx)
	if err != nil || !canKeep {
		return err
	}
	kept, values := keptFence(f.server, d)
	return kept.RequireFree(ctx, values)
}

// keptFence is what makes a fence survive a restart, and the values that it keeps.
func keptFence(s *replication.Server, d *dialect.Dialect) (setting.Persistence, map[string]string) {
	values := map[string]string{}
	for _, name := range d.FenceVariables() {
		values[name] = "ON"
	}
	return setting.Persistence{Server: s, Topic: setting.FenceTopic}, values
}

// revert lifts a fence that was not completed, also when ctx has ended.
func (f op) revert(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
	defer cancel()
	return report.Wrap("take the fence back", f.open(ctx))
}

// Close makes a server refuse application writes as the step of Set does with its
// defaults, but neither looks for bypasses nor proves the fence.
func Close(ctx context.Context, s *replication.Server) error {
	return op{server: s, closed: true}.close(ctx)
}

// Open lifts a server's fence.
func Open(ctx context.Context, s *replication.Server) error {
	lock, err := account.LockFence(ctx, s)
	if err != nil {
		return err
	}
	defer lock.Close()
	return OpenIn(ctx, s, lock)
}

// OpenIn is Open in the session that holds the fence's lock.
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

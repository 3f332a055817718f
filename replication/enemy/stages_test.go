package enemy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/guard"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/seed/physical"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

const (
	mostTries    = 15
	stageTimeout = 90 * time.Second
)

// options of the seed: what it copies takes a while, and a burst is longer than a segment.
var options = seed.Options{BytesPerSecond: 2 << 20, Workers: 2, SegmentKeys: 40, PreparedLimit: 10 * time.Second}

// copyUnderTraffic seeds while the clients write, and kills what the round kills.
func (r *round) copyUnderTraffic() {
	r.target.Exec("SET GLOBAL read_only = 1")
	r.allowDDL()
	r.mayPrepare.Store(true)
	if r.does(statements) {
		r.beginStatementSession()
	}
	step := r.seedStep()
	held := r.holdCopy()
	r.log.note("the seed begins")
	r.resume()
	ended := make(chan struct{})
	if r.does(quietEnd) { // else the clients go on
		go func() {
			defer close(ended)
			_ = wait.For(r.t.Context(), 1300*time.Millisecond)
			r.pause()
		}()
	} else {
		go func() { // the seed is not to wait for ever for what clients prepare and define
			defer close(ended)
			_ = wait.For(r.t.Context(), 1500*time.Millisecond)
			r.finishPrepared()
			r.freezeDDL()
		}()
	}
	kills := r.drawKills()
	var err error
	for try := 0; ; try++ {
		err = r.withKill(kills, try, func(ctx context.Context) error {
			return step.Op.Apply(report.WithNotes(ctx, func(text string) { r.log.note("note: %s", text) }))
		})
		if err == nil {
			break
		}
		r.log.note("the seed: %v", err)
		if try == mostTries {
			<-ended
			r.fail("the seed does not end after %d tries: %v (hint: %s)", try, err, report.Hint(err))
		}
		r.mayGoOn("the seed", err, try < len(kills))
	}
	r.log.note("the seed has ended")
	<-held
	<-ended
	if err := step.Op.Verify(r.t.Context()); err != nil {
		r.fail("verify the seed: %v", err)
	}
	if r.does(quietEnd) {
		r.quiet(r.source)
		if r.seedHasAll() {
			r.seedsCompared++
			r.requireSame("after the seed")
			r.requireLedger("after the seed", r.target)
		}
		r.resume()
	}
}

// seedHasAll reports whether the copy is at the position of the source, which is quiet: a
// seed by files may end at an earlier one.
func (r *round) seedHasAll() bool {
	if r.mariadb() {
		return r.target.Value("SELECT @@GLOBAL.gtid_slave_pos") == r.source.Value("SELECT @@GLOBAL.gtid_binlog_pos")
	}
	return r.target.Value("SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed)", r.source.Value("SELECT @@GLOBAL.gtid_executed")) == "1"
}

// seedStep is the seed by the method of the round.
func (r *round) seedStep() plan.Step {
	options := options
	if r.does(xaLeft) {
		options.PreparedLimit = 700 * time.Millisecond
	}
	rows := seed.StepWith(r.pair, options)
	if !r.does(byFiles) {
		return rows
	}
	return physical.Step(r.pair, rows, physical.Options{Method: physical.MethodFiles, Service: service{r.target}, Dir: r.t.TempDir()})
}

// service stops and starts the target's server.
type service struct{ *servertest.Instance }

func (s service) Unit(context.Context, *replication.Server) (string, error) { return "enemy", nil }

func (s service) Stop(context.Context, string) error {
	s.Instance.Stop()
	return nil
}

func (s service) Start(context.Context, string) error {
	if s.Root().Ping() != nil {
		s.Restart()
	}
	return nil
}

// mayGoOn decides what an error means: a step that was killed and one with a transient error
// are tried again, a legitimate refusal after its cause was removed. Every other error ends the test.
func (r *round) mayGoOn(what string, err error, killed bool) {
	r.t.Helper()
	for _, refusal := range refusals {
		if r.does(refusal.needs) && refusal.text.MatchString(err.Error()+" "+report.Hint(err)) {
			r.refused[refusal.name]++
			refusal.remedy(r)
			return
		}
	}
	var transient *report.TransientError
	if killed || errors.As(err, &transient) {
		return
	}
	r.fail("%s: %v (hint: %s)", what, err, report.Hint(err))
}

// fenceTarget fences the target as the step does that configures it: a copy of the source's
// files may hold transactions that the source has prepared, and that the link ends.
func (r *round) fenceTarget() { r.target.Exec("SET GLOBAL " + fenceVariable[r.flavor] + " = ON") }

var fenceVariable = map[servertest.Flavor]string{servertest.MariaDB: "read_only", servertest.MySQL: "super_read_only"}

// link starts the forward link under traffic and compares once it has caught up.
func (r *round) link() {
	r.mayPrepare.Store(false)
	r.fenceTarget()
	r.must("start the link", func(ctx context.Context) error { return link.Start(r.pair.Source, r.pair.Target).Op.Apply(ctx) })
	r.letDo()
	r.letWrite(300 * time.Millisecond)
	// MariaDB's replica does not survive a crash with a transaction that is prepared: it applies it again, and
	// waits for its own locks.
	if r.does(killServers) && !r.does(xa) && r.random.IntN(2) == 0 {
		r.log.note("the target is killed")
		r.kills++
		r.target.Kill()
		r.target.Restart()
		r.fenceTarget()
	}
	r.pause()
	r.settle("the link", r.source, r.target)
	r.requireSame("after the link has caught up")
	r.requireLedger("after the link has caught up", r.target)
}

// letDo lets the clients define and prepare again.
func (r *round) letDo() {
	r.allowDDL()
	r.mayPrepare.Store(true)
}

func (r *round) letWrite(d time.Duration) {
	r.t.Helper()
	if r.traffic == nil {
		r.resume()
	}
	require.NoError(r.t, wait.For(r.t.Context(), d))
}

// must repeats something until it ends without an error.
func (r *round) must(what string, do func(context.Context) error) {
	r.t.Helper()
	for try := 0; ; try++ {
		ctx, cancel := context.WithTimeout(r.t.Context(), stageTimeout)
		err := do(ctx)
		cancel()
		if err == nil {
			return
		}
		r.log.note("%s: %v", what, err)
		if try == mostTries {
			r.fail("%s: %v (hint: %s)", what, err, report.Hint(err))
		}
		r.mayGoOn(what, err, false)
	}
}

// verify asks migrate's own verify, whose verdict must be that of the enemy's comparison:
// clean. It runs while the clients write, but for definitions, and then once more.
func (r *round) verify() {
	r.t.Helper()
	for _, busy := range []bool{true, false} {
		if busy {
			r.freezeDDL()
			r.letWrite(50 * time.Millisecond)
		}
		r.must("verify", func(ctx context.Context) error {
			found, err := verify.Run(ctx, r.pair, verify.Options{})
			if err == nil && !found.Clean() {
				r.fail("verify finds differences where there are none (busy: %v): %v", busy, found.Differences)
			}
			return err
		})
		r.pause()
	}
}

// linkBack starts the reverse link.
func (r *round) linkBack() {
	r.must("start the reverse link", func(ctx context.Context) error { return link.Start(r.pair.Target, r.pair.Source).Op.Apply(ctx) })
}

// switchOver brings the writers from one side to the other under traffic.
func (r *round) switchOver(stage string, side replication.Side) {
	r.t.Helper()
	from, to := r.pair.Of(side), r.pair.Of(side.Other())
	old, entered := r.of(side), r.of(side.Other())
	r.letDo()
	r.mayPrepare.Store(r.does(xaSwitch))
	r.letWrite(200 * time.Millisecond)
	for try := 0; ; try++ {
		left := r.active.Load()
		stop := r.followWriters(entered, 1-left)
		err := r.trySwitch(from, to, old, entered)
		stop()
		if err == nil {
			r.active.Store(1 - left)
			break
		}
		r.active.Store(left)
		r.log.note("%s: %v", stage, err)
		if try == mostTries {
			r.fail("%s: %v (hint: %s)", stage, err, report.Hint(err))
		}
		r.mayGoOn(stage, err, false)
	}
	if left := r.leftOn(old); len(left) > 0 {
		r.fail("%s: the fence has not waited for the prepared transactions %v", stage, left)
	}
	entered.Exec("SET GLOBAL event_scheduler = ON")
	r.letWrite(200 * time.Millisecond)
	_, err := r.pools[1-r.active.Load()].Exec("INSERT INTO acked.writes VALUES (999, 1)")
	if !isNumber(err, errReadOnly, errReadOnlyToo) {
		r.fail("%s: the side that was left takes a write (I2): %v", stage, err)
	}
	r.pause()
	r.settle(stage, entered, old)
	r.settle(stage, old, entered)
	r.requireSame("after the " + stage)
	r.requireLedger("after the "+stage, r.source)
	r.requireLedger("after the "+stage, r.target)
}

// followWriters sends the clients to a side in the moment in which it takes writes, as
// clients that wait at its door do, until stop is called.
func (r *round) followWriters(entered *servertest.Instance, index int32) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for wait.For(ctx, time.Millisecond) == nil {
			var fenced bool
			if err := entered.Root().QueryRowContext(ctx, "SELECT @@GLOBAL.read_only").Scan(&fenced); err == nil && !fenced {
				r.active.Store(index)
				return
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// trySwitch runs the steps of a switch, and takes them back if one fails, as a run does.
func (r *round) trySwitch(from, to *replication.Server, old, entered *servertest.Instance) error {
	g := guard.Guard{Pair: fmt.Sprintf("enemy%d", r.seed), From: from, To: to, Budget: 20 * time.Second, Dir: r.t.TempDir()}
	steps := []plan.Step{
		schema.Events(from, nil, false), guard.Arm(g), fence.Set(from, fence.Options{Wait: 3 * time.Second, Kill: true}),
		link.Drain(from, to, 15*time.Second), guard.Handover(g),
	}
	var befores []json.RawMessage
	for i, step := range steps {
		ctx, cancel := context.WithTimeout(r.t.Context(), stageTimeout)
		late := r.does(lateCommits)
		if late && i == 2 {
			entered.Exec("STOP SLAVE")
		}
		if late && i == 3 {
			r.letLastCommitBeLate(old, entered)
		}
		state, err := step.Op.Check(ctx)
		if err == nil {
			befores = append(befores, state.Before)
			err = step.Op.Apply(ctx)
		}
		if err == nil {
			err = step.Op.Verify(ctx)
		}
		if err != nil {
			if late {
				entered.Exec("START SLAVE")
			}
			for j := min(i, len(befores)-1); j >= 0; j-- {
				r.must("take back "+steps[j].Name, func(ctx context.Context) error { return steps[j].Op.Undo(ctx, befores[j]) })
			}
			cancel()
			return fmt.Errorf("%s: %w", step.Name, err)
		}
		cancel()
	}
	r.must("events on", func(ctx context.Context) error { return schema.Events(to, nil, true).Op.Apply(ctx) })
	return nil
}

package replication

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

func TestLagIsMeasured(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		linked(t, p.Pair, true)
		plantest.Exercise(t, HeartbeatTable(p.Pair))
		plantest.Exercise(t, LagBelow(p.Source, p.Target, time.Second, 300*time.Millisecond))
		require.NoError(t, Fence(p.Target, FenceOptions{}).Op.Apply(t.Context()))
		plantest.Exercise(t, LagBelow(p.Target, p.Source, time.Second, 300*time.Millisecond))
		plantest.Exercise(t, RoundTrip(p.Target, p.Source))
		state, err := readFence(t.Context(), p.Target)
		require.NoError(t, err)
		require.True(t, state.closed, "the round trip leaves the fence as it was")
		settle(t, p.Target, p.Source)
		require.Equal(t, "0", p.source.Value("SELECT COUNT(*) FROM migrate.heartbeat"))

		lag, err := Measure(t.Context(), p.Source, p.Target)
		require.NoError(t, err)
		require.Less(t, lag.Behind, 3*time.Second)

		dialect, err := p.Target.Dialect(t.Context())
		require.NoError(t, err)
		h := NewHeartbeat(p.Source, p.Target)
		require.NoError(t, h.Open(t.Context()))
		defer func() { require.NoError(t, h.Close(t.Context())) }()
		sqlThread := map[servertest.Flavor][2]string{
			servertest.MariaDB: {"STOP SLAVE SQL_THREAD", "START SLAVE SQL_THREAD"},
			servertest.MySQL:   {"STOP REPLICA SQL_THREAD", "START REPLICA SQL_THREAD"},
		}[flavor]
		p.target.Exec(sqlThread[0])
		require.Eventually(t, func() bool {
			lag, err := h.Lag(t.Context())
			return err == nil && lag.Behind > time.Second && lag.Transactions > 5
		}, 20*time.Second, 50*time.Millisecond, "the lag of a stopped applier grows")
		err = LagBelow(p.Source, p.Target, time.Second, time.Second).Op.Apply(t.Context())
		require.ErrorContains(t, err, "has stopped")
		require.Contains(t, report.Hint(err), dialect.StartReplica()+" on "+p.Target.Name(), "holds after the cutover, too")
		lag, err = Measure(t.Context(), p.Source, p.Target)
		require.NoError(t, err)
		require.True(t, lag.AtLeast && lag.Stopped)
		require.Regexp(t, `^≥ 3\.\d s \(stopped\)$`, lag.String())
		require.False(t, lag.below(time.Hour))
		p.target.Exec(sqlThread[1])
		require.Eventually(t, func() bool {
			lag, err := h.Lag(t.Context())
			return err == nil && lag.Behind < time.Second
		}, 20*time.Second, 50*time.Millisecond, "%s catches up", dialect)
	})
}

func TestIncrementAndOldSessions(t *testing.T) { // H5
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		state, err := OldSessions(p.Target, false).Op.Check(t.Context())
		require.NoError(t, err)
		require.True(t, state.Unknown)

		old, err := writer(t, p.target).Conn(t.Context())
		require.NoError(t, err)
		defer old.Close()
		require.NoError(t, old.PingContext(t.Context()))
		plantest.Exercise(t, Increment(p.Source))
		plantest.Exercise(t, Increment(p.Target))
		require.Equal(t, "2", p.target.Value("SELECT @@GLOBAL.auto_increment_offset"))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = OldSessions(p.Target, false).Op.Apply(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "writer from localhost")
		require.NotEmpty(t, report.Hint(err))

		fresh, err := writer(t, p.target).Conn(t.Context())
		require.NoError(t, err)
		defer fresh.Close()
		require.NoError(t, fresh.PingContext(t.Context()))
		plantest.Exercise(t, OldSessions(p.Target, true))
		require.Error(t, old.PingContext(t.Context()))
		require.NoError(t, fresh.PingContext(t.Context()), "a session younger than the increments stays")

		p.target.Restart()
		require.Equal(t, "2", p.target.Value("SELECT @@GLOBAL.auto_increment_offset"), "the increments survive a restart")
		restarted, err := writer(t, p.target).Conn(t.Context())
		require.NoError(t, err)
		defer restarted.Close()
	})
}

func TestEventsMoveWithTheWriters(t *testing.T) { // H8
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		p.source.Exec("SET SESSION sql_mode = 'ANSI_QUOTES'", "SET SESSION time_zone = '+02:00'",
			"CREATE DEFINER = writer@'%' EVENT app.tick ON SCHEDULE EVERY 1 HOUR DO DELETE FROM app.notes WHERE text = 'x'",
			"CREATE EVENT app.resting ON SCHEDULE EVERY 1 HOUR DISABLE DO SELECT 1")
		const look = "SELECT CONCAT_WS(' ', DEFINER, SQL_MODE, TIME_ZONE) FROM information_schema.EVENTS WHERE EVENT_NAME = 'tick'"
		const status = "SELECT GROUP_CONCAT(STATUS ORDER BY EVENT_NAME) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'app'"
		was := p.source.Value(look)
		binlog := p.source.Value("SELECT @@GLOBAL." + map[servertest.Flavor]string{
			servertest.MariaDB: "gtid_binlog_pos", servertest.MySQL: "gtid_executed",
		}[flavor])

		plantest.Exercise(t, Events(p.Source, []string{"app"}, false))
		require.Contains(t, p.source.Value(status), "SIDE_DISABLED")
		require.NoError(t, Fence(p.Source, FenceOptions{}).Op.Apply(t.Context()))
		plantest.Exercise(t, Events(p.Source, []string{"app"}, true))
		require.Equal(t, "DISABLED,ENABLED", p.source.Value(status))
		require.Equal(t, was, p.source.Value(look), "definer, sql_mode and time zone stay")
		set, err := executed(t.Context(), p.Source)
		require.NoError(t, err)
		before, err := ParseGTIDSet(map[servertest.Flavor]Flavor{servertest.MariaDB: MariaDB, servertest.MySQL: MySQL}[flavor], binlog)
		require.NoError(t, err)
		require.True(t, set.Equal(before), "nothing of it is in the binlog")
	})
}

func TestStragglers(t *testing.T) { // H27
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		linked(t, p.Pair, true)
		late, other := startHammer(t, p.source, "late"), startHammer(t, p.target, "other")
		late.wait(t, 5)
		gate := Stragglers(p.Source, 500*time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.ErrorIs(t, gate.Op.Apply(ctx), context.DeadlineExceeded)
		state, err := gate.Op.Check(t.Context())
		require.NoError(t, err)
		require.Contains(t, state.Now, "writer from localhost")
		late.stop()
		other.wait(t, 5)
		plantest.Exercise(t, gate) // what comes from the other side by the link does not count
	})
}

func TestStatus(t *testing.T) { // I5
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		require.NoError(t, apply(t, Link(p.Source, p.Target)))
		s := Status(t.Context(), p.Pair)
		require.True(t, s.Forward.Running)
		require.False(t, s.Rollback.Ready)
		require.Contains(t, s.Rollback.Missing, "there is no reverse link")

		require.NoError(t, Link(p.Target, p.Source).Op.Apply(t.Context()))
		require.NoError(t, Fence(p.Target, FenceOptions{}).Op.Apply(t.Context()))
		s = Status(t.Context(), p.Pair)
		require.Empty(t, s.Rollback.Missing)
		require.True(t, s.Rollback.Ready && s.Reverse.Running && s.Target.Fenced && s.Target.Kept && !s.Source.Fenced)
		require.Empty(t, s.Guards)

		p.source.Exec(map[servertest.Flavor]string{servertest.MariaDB: "STOP SLAVE", servertest.MySQL: "STOP REPLICA"}[flavor])
		s = Status(t.Context(), p.Pair)
		require.Contains(t, s.Rollback.Missing, "the reverse link has stopped")
		require.Equal(t, "unknown (stopped)", s.Rollback.Lag.String(), "never 0 s")

		p.target.Kill()
		s = Status(t.Context(), p.Pair)
		require.NotEmpty(t, s.Target.Error)
		require.False(t, s.Rollback.Ready)
	})
}

func TestLagInWords(t *testing.T) {
	for want, lag := range map[string]Lag{
		"12 ms":             {Behind: 12 * time.Millisecond, Transactions: 3},
		"≥ 3.0 s":           {Behind: 3 * time.Second, AtLeast: true},
		"≥ 12 s (stopped)":  {Behind: 12 * time.Second, AtLeast: true, Stopped: true},
		"≥ 2m5s (stopped)":  {Behind: 125 * time.Second, AtLeast: true, Stopped: true},
		"unknown (stopped)": {AtLeast: true, Stopped: true},
	} {
		require.Equal(t, want, lag.String())
	}
}

func TestStepsAreUnknownBeforeTheirHostIsMade(t *testing.T) {
	s := testServer(t, servertest.Start(t, servertest.MariaDB), Source, remote.NewLocal("source"))
	absent := NewServer(ServerConfig{
		Name: "main (target)", Side: Target, Host: absentHost{}, Network: "unix", Address: "/none", User: "root",
	})
	g := Guard{Pair: "main", From: s, To: absent, Dir: t.TempDir()}
	for _, step := range []plan.Step{
		Link(s, absent), Increment(absent), OldSessions(absent, false), Fence(absent, FenceOptions{}),
		Unfence(absent), Events(absent, nil, true), HeartbeatTable(Pair{Source: s, Target: absent}),
		LagBelow(s, absent, time.Second, time.Second), RoundTrip(s, absent), Drain(s, absent, time.Second),
		Link(absent, s), RoundTrip(absent, s), LagBelow(absent, s, time.Second, time.Second),
		Stragglers(absent, time.Second), ArmGuard(g), Handover(g),
	} {
		state, err := step.Op.Check(t.Context())
		require.NoError(t, err, step.Name)
		require.True(t, state.Unknown, step.Name)
		require.NoError(t, step.Op.Undo(t.Context(), nil), step.Name)
	}
}

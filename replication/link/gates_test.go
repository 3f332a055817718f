package link

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

func TestLagIsMeasured(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		linked(t, p.Pair, true)
		plantest.Exercise(t, HeartbeatTable(p.Pair))
		plantest.Exercise(t, LagBelow(p.Source, p.Target, time.Second, 300*time.Millisecond))
		require.NoError(t, fence.Set(p.Target, fence.Options{}).Op.Apply(t.Context()))
		plantest.Exercise(t, LagBelow(p.Target, p.Source, time.Second, 300*time.Millisecond))
		plantest.Exercise(t, RoundTrip(p.Target, p.Source))
		state, err := fence.Read(t.Context(), p.Target)
		require.NoError(t, err)
		require.True(t, state.Closed, "the round trip leaves the fence as it was")
		replicationtest.Settle(t, p.Target, p.Source)
		require.Equal(t, "0", p.SourceInstance.Value("SELECT COUNT(*) FROM migrate.heartbeat"))

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
		p.TargetInstance.Exec(sqlThread[0])
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
		p.TargetInstance.Exec(sqlThread[1])
		require.Eventually(t, func() bool {
			lag, err := h.Lag(t.Context())
			return err == nil && lag.Behind < time.Second
		}, 20*time.Second, 50*time.Millisecond, "%s catches up", dialect)
	})
}

func TestIncrementAndOldSessions(t *testing.T) { // H5
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		state, err := OldSessions(p.Target, false).Op.Check(t.Context())
		require.NoError(t, err)
		require.True(t, state.Unknown)

		old, err := replicationtest.Writer(t, p.TargetInstance).Conn(t.Context())
		require.NoError(t, err)
		defer old.Close()
		require.NoError(t, old.PingContext(t.Context()))
		plantest.Exercise(t, Increment(p.Source))
		plantest.Exercise(t, Increment(p.Target))
		require.Equal(t, "2", p.TargetInstance.Value("SELECT @@GLOBAL.auto_increment_offset"))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = OldSessions(p.Target, false).Op.Apply(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "writer from localhost")
		require.NotEmpty(t, report.Hint(err))

		fresh, err := replicationtest.Writer(t, p.TargetInstance).Conn(t.Context())
		require.NoError(t, err)
		defer fresh.Close()
		require.NoError(t, fresh.PingContext(t.Context()))
		plantest.Exercise(t, OldSessions(p.Target, true))
		require.Error(t, old.PingContext(t.Context()))
		require.NoError(t, fresh.PingContext(t.Context()), "a session younger than the increments stays")

		p.TargetInstance.Restart()
		require.Equal(t, "2", p.TargetInstance.Value("SELECT @@GLOBAL.auto_increment_offset"), "the increments survive a restart")
		restarted, err := replicationtest.Writer(t, p.TargetInstance).Conn(t.Context())
		require.NoError(t, err)
		defer restarted.Close()
	})
}

func TestEventsMoveWithTheWriters(t *testing.T) { // H8
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		p.SourceInstance.Exec("SET SESSION sql_mode = 'ANSI_QUOTES'", "SET SESSION time_zone = '+02:00'",
			"CREATE DEFINER = writer@'%' EVENT app.tick ON SCHEDULE EVERY 1 HOUR DO DELETE FROM app.notes WHERE text = 'x'",
			"CREATE EVENT app.resting ON SCHEDULE EVERY 1 HOUR DISABLE DO SELECT 1")
		const look = "SELECT CONCAT_WS(' ', DEFINER, SQL_MODE, TIME_ZONE) FROM information_schema.EVENTS WHERE EVENT_NAME = 'tick'"
		const status = "SELECT GROUP_CONCAT(STATUS ORDER BY EVENT_NAME) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'app'"
		was := p.SourceInstance.Value(look)
		binlog := p.SourceInstance.Value("SELECT @@GLOBAL." + map[servertest.Flavor]string{
			servertest.MariaDB: "gtid_binlog_pos", servertest.MySQL: "gtid_executed",
		}[flavor])

		plantest.Exercise(t, schema.Events(p.Source, []string{"app"}, false))
		require.Contains(t, p.SourceInstance.Value(status), "SIDE_DISABLED")
		require.NoError(t, fence.Set(p.Source, fence.Options{}).Op.Apply(t.Context()))
		plantest.Exercise(t, schema.Events(p.Source, []string{"app"}, true))
		require.Equal(t, "DISABLED,ENABLED", p.SourceInstance.Value(status))
		require.Equal(t, was, p.SourceInstance.Value(look), "definer, sql_mode and time zone stay")
		set, err := replication.Executed(t.Context(), p.Source)
		require.NoError(t, err)
		before, err := replication.ParseGTIDSet(map[servertest.Flavor]dialect.Flavor{servertest.MariaDB: dialect.MariaDB, servertest.MySQL: dialect.MySQL}[flavor], binlog)
		require.NoError(t, err)
		require.True(t, set.Equal(before), "nothing of it is in the binlog")
	})
}

func TestStragglers(t *testing.T) { // H27
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		linked(t, p.Pair, true)
		late, other := replicationtest.StartHammer(t, p.SourceInstance, "late"), replicationtest.StartHammer(t, p.TargetInstance, "other")
		late.Wait(t, 5)
		gate := Stragglers(p.Source, 500*time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.ErrorIs(t, gate.Op.Apply(ctx), context.DeadlineExceeded)
		state, err := gate.Op.Check(t.Context())
		require.NoError(t, err)
		require.Contains(t, state.Now, "writer from localhost")
		late.Stop()
		other.Wait(t, 5)
		plantest.Exercise(t, gate) // what comes from the other side by the link does not count
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

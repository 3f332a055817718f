package link

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

func TestLagIsMeasured(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		startLinks(t, p.Pair, true)
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
		h := newHeartbeat(p.Source, p.Target)
		require.NoError(t, h.open(t.Context()))
		defer func() { require.NoError(t, h.close(t.Context())) }()
		sqlThread := map[servertest.Flavor][2]string{
			servertest.MariaDB: {"STOP SLAVE SQL_THREAD", "START SLAVE SQL_THREAD"},
			servertest.MySQL:   {"STOP REPLICA SQL_THREAD", "START REPLICA SQL_THREAD"},
		}[flavor]
		p.TargetInstance.Exec(sqlThread[0])
		require.Eventually(t, func() bool {
			lag, err := h.lag(t.Context())
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
			lag, err := h.lag(t.Context())
			return err == nil && lag.Behind < time.Second
		}, 20*time.Second, 50*time.Millisecond, "%s catches up", dialect)
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
		t.Run(want, func(t *testing.T) { require.Equal(t, want, lag.String()) })
	}
}

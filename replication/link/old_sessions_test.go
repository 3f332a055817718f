package link

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

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

// An application may log in as migrate does: its sessions are clients nevertheless.
func TestOldSessionsUnderMigratesLogin(t *testing.T) { // H5
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		app := replicationtest.Session(t, p.SourceInstance, "root", "")
		other := replicationtest.Server(t, p.SourceInstance, replication.Source, remote.NewLocal("source")) // another process of migrate
		own, err := other.Session(t.Context())
		require.NoError(t, err)
		defer own.Close()
		require.NoError(t, replicationtest.Apply(t, Increment(p.Source)))

		require.Eventually(t, func() bool {
			clients, err := account.Clients(t.Context(), p.Source)
			return err == nil && len(clients) == 1
		}, 10*time.Second, 10*time.Millisecond, "only the application's session is left")
		state, err := OldSessions(p.Source, false).Op.Check(t.Context())
		require.NoError(t, err)
		require.Contains(t, state.Now, "root from localhost")
		require.ErrorContains(t, OldSessions(p.Source, false).Op.Verify(t.Context()), "root from localhost")
		require.NoError(t, app.PingContext(t.Context()))

		require.NoError(t, replicationtest.Apply(t, OldSessions(p.Source, true)))
		require.Error(t, app.PingContext(t.Context()))
		require.NoError(t, own.PingContext(t.Context()), "migrate's own sessions stay")
	})
}

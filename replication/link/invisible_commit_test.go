package link

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// A transaction that is in the log of the side that is entered is not on it before its
// rows are visible: an application that is let in sooner reads old values (I1).
func TestDrainWaitsForRowsThatAreLoggedAndNotVisible(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		p.SourceInstance.Exec("INSERT INTO app.notes (id, text) VALUES (1, '9')")
		startLinks(t, p.Pair, false)
		end := replicationtest.DelayCommits(p.TargetInstance)
		p.SourceInstance.Exec("UPDATE app.notes SET text = '10'")
		require.NoError(t, fence.Set(p.Source, fence.Options{Wait: 5 * time.Second}).Op.Apply(t.Context()))
		if flavor == servertest.MariaDB {
			require.Eventually(t, func() bool {
				return p.TargetInstance.Value("SELECT @@GLOBAL.gtid_binlog_pos") == p.SourceInstance.Value("SELECT @@GLOBAL.gtid_binlog_pos")
			}, 20*time.Second, 10*time.Millisecond, "the change is in the target's log")
		}
		require.Equal(t, "9", p.TargetInstance.Value("SELECT text FROM app.notes"), "the change is not visible yet")
		drain := Drain(p.Source, p.Target, 30*time.Second)
		require.ErrorContains(t, drain.Op.Verify(t.Context()), "lacks transactions")
		lag, err := Measure(t.Context(), p.Source, p.Target)
		require.NoError(t, err)
		require.True(t, lag.AtLeast, "%s", lag)
		drained := make(chan error, 1)
		go func() { drained <- drain.Op.Apply(t.Context()) }()
		end()
		require.NoError(t, <-drained)
		require.Equal(t, "10", p.TargetInstance.Value("SELECT text FROM app.notes"), "what an application reads that is let in now")
		require.NoError(t, drain.Op.Verify(t.Context()))
	})
}

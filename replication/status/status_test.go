package status

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestStatus(t *testing.T) { // I5
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		require.NoError(t, replicationtest.Apply(t, link.Start(p.Source, p.Target)))
		s := Read(t.Context(), p.Pair)
		require.True(t, s.Forward.Running)
		require.False(t, s.Rollback.Ready)
		require.Contains(t, s.Rollback.Missing, "there is no reverse link")

		require.NoError(t, link.Start(p.Target, p.Source).Op.Apply(t.Context()))
		require.NoError(t, fence.Set(p.Target, fence.Options{}).Op.Apply(t.Context()))
		s = Read(t.Context(), p.Pair)
		require.Empty(t, s.Rollback.Missing)
		require.True(t, s.Rollback.Ready && s.Reverse.Running && s.Target.Fenced && s.Target.Kept && !s.Source.Fenced)
		require.Empty(t, s.Guards)

		p.SourceInstance.Exec(map[servertest.Flavor]string{servertest.MariaDB: "STOP SLAVE", servertest.MySQL: "STOP REPLICA"}[flavor])
		s = Read(t.Context(), p.Pair)
		require.Contains(t, s.Rollback.Missing, "the reverse link has stopped")
		require.Equal(t, "unknown (stopped)", s.Rollback.Lag.String(), "never 0 s")

		p.TargetInstance.Kill()
		s = Read(t.Context(), p.Pair)
		require.NotEmpty(t, s.Target.Error)
		require.False(t, s.Rollback.Ready)
	})
}

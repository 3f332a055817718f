package guard

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// The steps of the rooms below guard are here, too.
func TestStepsAreUnknownBeforeTheirHostIsMade(t *testing.T) {
	s := replicationtest.Server(t, servertest.Start(t, servertest.MariaDB), replication.Source, remote.NewLocal("source"))
	absent := replication.NewServer(replication.ServerConfig{
		Name: "main (target)", Side: replication.Target, Host: replicationtest.AbsentHost{}, Network: "unix", Address: "/none", User: "root",
	})
	g := Guard{Pair: "main", From: s, To: absent, Dir: t.TempDir()}
	for _, step := range []plan.Step{
		link.Start(s, absent), link.Increment(absent), link.OldSessions(absent, false), fence.Set(absent, fence.Options{}),
		fence.Lift(absent), schema.Events(absent, nil, true), link.HeartbeatTable(replication.Pair{Source: s, Target: absent}),
		link.LagBelow(s, absent, time.Second, time.Second), link.RoundTrip(s, absent), link.Drain(s, absent, time.Second),
		link.Start(absent, s), link.RoundTrip(absent, s), link.LagBelow(absent, s, time.Second, time.Second),
		link.Stragglers(absent, time.Second), Arm(g), Handover(g),
	} {
		state, err := step.Op.Check(t.Context())
		require.NoError(t, err, step.Name)
		require.True(t, state.Unknown, step.Name)
		require.NoError(t, step.Op.Undo(t.Context(), nil), step.Name)
	}
}

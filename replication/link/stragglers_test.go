package link

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestStragglers(t *testing.T) { // H27
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		startLinks(t, p.Pair, true)
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

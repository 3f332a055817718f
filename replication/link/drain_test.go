package link

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestDrainCarriesEveryAcknowledgedWrite(t *testing.T) { // I1
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		linked(t, p.Pair, false)
		h := replicationtest.StartHammer(t, p.SourceInstance, "w")
		h.Wait(t, 200)
		require.ErrorIs(t, Drain(p.Source, p.Target, time.Second).Op.Apply(t.Context()), ErrNotFenced)

		require.NoError(t, fence.Set(p.Source, fence.Options{Wait: 5 * time.Second}).Op.Apply(t.Context()))
		plantest.Exercise(t, Drain(p.Source, p.Target, 20*time.Second))
		h.Stop()
		h.RequireOn(t, p.TargetInstance)
		require.Equal(t, p.SourceInstance.Value("SELECT COUNT(*) FROM app.notes"), p.TargetInstance.Value("SELECT COUNT(*) FROM app.notes"))
	})
}

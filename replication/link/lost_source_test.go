package link

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestStopLostNeedsTheTargetOnly(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		link := Start(p.Source, p.Target)
		state, err := link.Op.Check(t.Context())
		require.NoError(t, err)
		startLinks(t, p.Pair, true)
		how, err := SourceAnswers(t.Context(), p.Pair)
		require.NoError(t, err)
		require.Equal(t, "main (source) answers", how)

		p.SourceInstance.Kill()
		require.Eventually(t, func() bool {
			how, err := SourceAnswers(t.Context(), p.Pair)
			require.NoError(t, err)
			return how == ""
		}, 10*time.Second, 50*time.Millisecond, "the target has noticed, too")
		plantest.Exercise(t, StopLost(p.Pair, state.Before))
		require.Equal(t, "0", p.TargetInstance.Value("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'migrate\\_%'"))
		p.TargetInstance.Exec("INSERT INTO app.notes (text) VALUES ('the target stands alone')")
	})
}

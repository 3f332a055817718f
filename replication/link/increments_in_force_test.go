package link

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestIncrementsInForceIsAGate changes the increments of either side behind migrate's back.
func TestIncrementsInForceIsAGate(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		gate := IncrementsInForce(p.Pair)
		replicationtest.RequireHint(t, gate.Op.Apply(t.Context()), "main (source) has increment 1, offset 1", "main (target) has increment 1, offset 1")
		require.NoError(t, replicationtest.Apply(t, Increment(p.Source)))
		require.NoError(t, replicationtest.Apply(t, Increment(p.Target)))
		require.NoError(t, replicationtest.Apply(t, gate))
		for name, c := range map[string]struct {
			server     *servertest.Instance
			spoil, fix string
			want       string
		}{
			"the source's offset on the target": {p.TargetInstance, "auto_increment_offset = 1", "auto_increment_offset = 2", "main (target) has increment 2, offset 1 in place of increment 2, offset 2"},
			"the target's offset on the source": {p.SourceInstance, "auto_increment_offset = 2", "auto_increment_offset = 1", "main (source) has increment 2, offset 2"},
			"no increment on the target":        {p.TargetInstance, "auto_increment_increment = 1", "auto_increment_increment = 2", "main (target) has increment 1"},
			"another increment on the source":   {p.SourceInstance, "auto_increment_increment = 3", "auto_increment_increment = 2", "main (source) has increment 3"},
		} {
			t.Run(name, func(t *testing.T) {
				c.server.Exec("SET GLOBAL " + c.spoil)
				replicationtest.RequireHint(t, gate.Op.Apply(t.Context()), c.want)
				state, err := gate.Op.Check(t.Context())
				require.NoError(t, err)
				require.False(t, state.Done)
				require.Contains(t, state.Now, c.want)
				c.server.Exec("SET GLOBAL " + c.fix)
				require.NoError(t, replicationtest.Apply(t, gate))
			})
		}
	})
}

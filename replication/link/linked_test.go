package link

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
)

// linked starts the forward link, and the reverse one if both is set.
func linked(t testing.TB, p replication.Pair, both bool) {
	t.Helper()
	require.NoError(t, Start(p.Source, p.Target).Op.Apply(t.Context()))
	if both {
		require.NoError(t, Start(p.Target, p.Source).Op.Apply(t.Context()))
	}
}

package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// linked starts the forward link, and the reverse one if both is set.
func linked(t testing.TB, p Pair, both bool) {
	t.Helper()
	require.NoError(t, Link(p.Source, p.Target).Op.Apply(t.Context()))
	if both {
		require.NoError(t, Link(p.Target, p.Source).Op.Apply(t.Context()))
	}
}

package physical

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// cutHost is a host on which one script ends before a given text, once.
type cutHost struct {
	remote.Host
	before string
}

var errUndoCut = errors.New("cut short")

func (h *cutHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	begin, _, found := strings.Cut(script, h.before)
	if h.before == "" || !found {
		return h.Host.Run(ctx, script, stdin, stdout)
	}
	h.before = ""
	return errors.Join(errUndoCut, h.Host.Run(ctx, begin+"\n:\nfi\n", stdin, stdout))
}

// TestUndoOfAPhysicalSeedIsCutShort interrupts an undo between its two renames. After
// another undo or apply the target has its own data or all of the source's.
func TestUndoOfAPhysicalSeedIsCutShort(t *testing.T) {
	pair, source, target, options := startPair(t, servertest.MariaDB)
	host := &cutHost{Host: remote.NewLocal("target")}
	pair.Target = replicationtest.Server(t, target, replication.Target, host)
	op := Step(pair, seed.Step(pair), options).Op
	require.NoError(t, op.Apply(t.Context()))
	cut := func() {
		host.before = `mv -T "$beside/old"`
		require.ErrorIs(t, op.Undo(t.Context(), nil), errUndoCut)
		require.NoDirExists(t, filepath.Join(target.Dir, "data"))
		state, err := op.Check(t.Context())
		require.NoError(t, err, "its server is down")
		require.False(t, state.Done)
		require.Equal(t, "the undo of a seed by files was cut short", state.Now)
	}
	cut()
	require.NoError(t, op.Apply(t.Context()), "applied again")
	require.NoError(t, op.Verify(t.Context()))
	requireSeeded(t, source, target)
	cut()
	require.NoError(t, op.Undo(t.Context(), nil), "undone again")
	requireUndone(t, target, options)
	require.NoError(t, op.Undo(t.Context(), nil))
}

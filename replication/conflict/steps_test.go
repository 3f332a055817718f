package conflict

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// An account that a crash has left is gone once the next window is open, and after finish.
func TestReadersAreDropped(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		crash := func() { // leaves accounts
			for _, s := range []*replication.Server{p.Source, p.Target} {
				_, err := binlog.Open(t.Context(), s)
				require.NoError(t, err)
			}
		}
		requireNoReader := func() {
			for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
				require.Equal(t, "0", s.Value("SELECT COUNT(*) FROM mysql.user WHERE User = ?", binlog.ReaderLogin(nil).Name))
			}
		}
		crash()
		grants := p.SourceInstance.Value("SHOW GRANTS FOR 'migrate_reader'@'localhost'")
		require.True(t, strings.HasPrefix(grants, "GRANT REPLICATION SLAVE ON *.* TO"), "nothing else: %s", grants)
		require.NoError(t, OpenWindow(p.Pair, &memoryStore{}).Op.Apply(t.Context()))
		requireNoReader()
		crash()
		require.NoError(t, fence.Set(p.Source, fence.Options{}).Op.Apply(t.Context()))
		plantest.Exercise(t, DropReaders(p.Pair))
		requireNoReader()
	})
}

// A switch back keeps an open window, and replaces a closed one.
func TestAWindowStaysOpenUntilItIsReported(t *testing.T) {
	p, store := dualPair(t, servertest.MariaDB, nil)
	first, _, err := store.Window(t.Context(), "main")
	require.NoError(t, err)
	p.SourceInstance.Exec("INSERT INTO app.notes VALUES (31, 'x')")
	exchange(t, p)
	again := OpenWindow(p.Pair, store).Op
	require.NoError(t, again.Apply(t.Context()))
	w, _, err := store.Window(t.Context(), "main")
	require.NoError(t, err)
	require.Equal(t, first, w)
	require.ErrorIs(t, Gate(p.Pair, replication.Target, store, time.Second).Op.Apply(t.Context()), link.ErrNotFenced, "not while it is written to")

	r := closedReport(t, p, store)
	require.EqualValues(t, 1, r.Wrote[0].Rows)
	require.NoError(t, again.Apply(t.Context()))
	w, _, err = store.Window(t.Context(), "main")
	require.NoError(t, err)
	require.False(t, w.Closed)
	require.NotEqual(t, first.Start, w.Start, "a new one")
}

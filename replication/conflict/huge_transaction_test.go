package conflict

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// A transaction of many rows is read in little memory, and a pass that would need more
// is split into several.
func TestConflictsOfAHugeTransaction(t *testing.T) {
	for _, flavor := range servertest.Flavors() { // one after another: memory is measured
		for _, compressed := range []string{"OFF", "ON"} {
			if compressed == "ON" && flavor == servertest.MariaDB {
				continue // it compresses events one by one
			}
			t.Run(string(flavor)+" compression "+compressed, func(t *testing.T) { hugeTransaction(t, flavor, compressed) })
		}
	}
}

// hugeTransaction measures the memory for a report of one huge transaction.
func hugeTransaction(t *testing.T, flavor servertest.Flavor, compressed string) {
	var options []servertest.Option
	if flavor == servertest.MySQL {
		options = append(options, servertest.Set("binlog_transaction_compression", compressed))
	}
	p, store := dualPair(t, flavor, []string{
		"CREATE TABLE app.wide (id INT PRIMARY KEY, pad CHAR(200) CHARACTER SET latin1)",
	}, options...)
	const rows = 40_000
	numbers := "SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n FROM " + digits("a") + "," + digits("b") + "," + digits("c") + "," + digits("d") + "," + digits("e") + " WHERE e.n < 4"
	p.SourceInstance.Exec("USE app", "INSERT INTO app.wide (id, pad) SELECT x.id, SHA2(x.id, 256) FROM ("+strings.Replace(numbers, " FROM", " AS id FROM", 1)+") x")
	exchange(t, p)
	apart(t, p, func() {
		p.SourceInstance.Exec("UPDATE app.wide SET pad = REVERSE(pad)")
		p.TargetInstance.Exec("UPDATE app.wide SET pad = CONCAT('t', id) WHERE id IN (77, 39999)")
	})
	exchange(t, p)
	require.NoError(t, fence.Set(p.Source, fence.Options{}).Op.Apply(t.Context()))
	w, _, err := store.Window(t.Context(), "main")
	require.NoError(t, err)

	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var most uint64
		for {
			select {
			case <-tick.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			case <-stop:
				peak <- most
				return
			}
		}
	}()
	r, err := scanWindow(t.Context(), p.Pair, w, replication.Target, 10*time.Second)
	close(stop)
	grew := int64(<-peak) - int64(before.HeapAlloc)
	require.NoError(t, err)
	require.Equal(t, []string{"app.wide (39999) update/update", "app.wide (77) update/update"}, keyedLines(r))
	require.EqualValues(t, 2*rows, r.Wrote[0].Rows)
	t.Logf("%d rows in %s, heap grew by %d MB", 2*rows, r.Took, grew>>20)
	require.Less(t, grew>>20, int64(80))

	small := &scan{schemas: p.Schemas, limit: 8_000, maxListed: 1, report: &Report{Pair: "main", Start: w.Start}, collator: binlog.Collator{Server: p.Target}}
	linkErr, err := small.readBounds(t.Context(), p.Source, p.Target, time.Second)
	require.NoError(t, errors.Join(linkErr, err))
	for i, s := range []*replication.Server{p.Source, p.Target} {
		small.ids[i], err = binlog.ReadOrigin(t.Context(), s)
		require.NoError(t, err)
	}
	require.NoError(t, small.openAndRun(t.Context(), p.Source, p.Target))
	require.Equal(t, 8, small.shares, "split by what fits")
	require.EqualValues(t, 2, small.report.Found)
	require.Len(t, small.report.Conflicts, 1, "the list is bounded, the count is not")
	require.EqualValues(t, 2*rows, small.report.Wrote[0].Rows, "counted once")
}

// digits is a table of the numbers 0 to 9.
func digits(name string) string {
	return "(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) " + name
}

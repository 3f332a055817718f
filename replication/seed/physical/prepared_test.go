package physical

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestFilesHoldPreparedTransactions seeds by files while many transactions are prepared and
// ended, some long before, and requires the link to end them.
func TestFilesHoldPreparedTransactions(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target, options := startPair(t, flavor)
		source.Exec("CREATE TABLE load1.x (id INT PRIMARY KEY, v INT)", "INSERT INTO load1.x VALUES (1, 0), (2, 0)")
		replicationtest.PrepareXA(t, source, "'across'", "UPDATE load1.x SET v = 1 WHERE id = 1")
		replicationtest.PrepareXA(t, source, "'back'", "UPDATE load1.x SET v = 1 WHERE id = 2")
		stop := prepareMany(t, source)
		require.NoError(t, Step(pair, seed.Step(pair), options).Op.Apply(t.Context()))
		replicationtest.Replicate(t, flavor, source, target)
		replicationtest.EndXA(t, source, "XA COMMIT 'across'")
		replicationtest.EndXA(t, source, "XA ROLLBACK 'back'")
		source.Exec("ALTER EVENT load1.tells DISABLE")
		require.Positive(t, stop())
		replicationtest.Settle(t, pair.Source, pair.Target)
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
	})
}

// prepareMany prepares transactions and ends them, in sessions of its own, until its result
// is called, which returns their number.
func prepareMany(t *testing.T, s *servertest.Instance) (stop func() int64) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var n atomic.Int64
	for w := range 3 {
		db := s.Open("root", "", "unix")
		all.Go(func() {
			defer db.Close()
			conn, err := db.Conn(t.Context())
			if err != nil {
				return
			}
			defer conn.Close()
			for i := 0; ctx.Err() == nil; i++ {
				name := fmt.Sprintf("'w%d', '%d'", w, i)
				end := "XA COMMIT "
				if i%5 == 0 {
					end = "XA ROLLBACK "
				}
				for _, statement := range []string{
					"XA START " + name, fmt.Sprintf("INSERT INTO load1.x VALUES (%d, %d)", 100+w*1_000_000+i, i), "XA END " + name, "XA PREPARE " + name, end + name,
				} {
					if _, err := conn.ExecContext(t.Context(), statement); err != nil {
						t.Errorf("%s: %v", statement, err)
						return
					}
				}
				n.Add(1)
			}
		})
	}
	return func() int64 { cancel(); all.Wait(); return n.Load() }
}

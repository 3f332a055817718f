package wire

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestPrefetchedResultsBelongToTheirQueries, also behind a query that fails, and after
// prefetched results were dropped.
func TestPrefetchedResultsBelongToTheirQueries(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor)
		c, err := Open(t.Context(), newServer(t, s))
		require.NoError(t, err)
		defer c.Close()
		queries := []string{"SELECT 1", "SELECT 2", "SELECT nothing", "SELECT 4"}
		require.NoError(t, c.Prefetch(t.Context(), queries))
		for i, want := range []string{"1", "2", "", "4"} {
			rows, err := c.Texts(t.Context(), queries[i])
			if want == "" {
				require.Equal(t, uint16(1054), query.ErrorNumber(err))
				continue
			}
			require.NoError(t, err)
			require.Equal(t, [][]string{{want}}, rows)
		}
		c.DropPrefetched()
		require.False(t, c.lost, "every result was read, or its query is sent again")
		require.NoError(t, c.Prefetch(t.Context(), queries[:2]))
		c.DropPrefetched()
		for range 2 { // also without DropPrefetched
			rows, err := c.Texts(t.Context(), "SELECT 5")
			require.NoError(t, err)
			require.Equal(t, [][]string{{"5"}}, rows)
			require.NoError(t, c.Prefetch(t.Context(), queries[:2]))
		}
		_, err = c.Exec(t.Context(), "DO 1")
		require.ErrorIs(t, err, errUnread)
		answers, err := c.RunAll(t.Context(), "SELECT 6", "SELECT 7")
		require.NoError(t, err)
		require.Equal(t, [][]string{{"7"}}, answers[1].rows)
	})
}

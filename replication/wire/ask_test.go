package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// newServer is a test server as replication knows it.
func newServer(t *testing.T, s *servertest.Instance) *replication.Server {
	server := replication.NewServer(replication.ServerConfig{Name: "db", Network: "unix", Address: s.Socket, User: "root"})
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// TestAskContinuesAfterAnError: a query that the server refuses is told apart from the
// answers before and after it, however many packets the queries take.
func TestAskContinuesAfterAnError(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor)
		c, err := OpenForQuestions(t.Context(), newServer(t, s))
		require.NoError(t, err)
		defer c.Close()
		var queries []string
		for i := range 3*StatementsAtOnce/2 + 5 {
			query := fmt.Sprintf("SELECT %d AS n, 'é;' AS t", i)
			switch i {
			case 0, 9, StatementsAtOnce - 1, StatementsAtOnce:
				query = "SHOW CREATE TABLE mysql.nothing"
			case 20:
				query = "SELECT '" + strings.Repeat("x", bytesAtOnce) + "' AS n, 'é;' AS t"
			case 30:
				query = "SELECT 1 AS n FROM (SELECT 1) x WHERE 1 = 0"
			}
			queries = append(queries, query)
		}
		next := 0
		require.NoError(t, c.Ask(t.Context(), queries, func(i int, rows []query.Record, err error) error {
			require.Equal(t, next, i)
			next++
			switch {
			case strings.HasPrefix(queries[i], "SHOW"):
				require.Equal(t, uint16(1146), query.ErrorNumber(err))
			case i == 20:
				require.Len(t, rows[0]["n"], bytesAtOnce)
			case i == 30:
				require.Empty(t, rows)
			default:
				require.NoError(t, err)
				require.Equal(t, []query.Record{{"n": fmt.Sprint(i), "t": "é;"}}, rows)
			}
			return nil
		}))
		require.Equal(t, len(queries), next)
	})
}

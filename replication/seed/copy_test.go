package seed

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
)

func TestChunksFitTheRate(t *testing.T) {
	require.EqualValues(t, throttle.ChunkBytes, throttle.New(throttle.Limits{Workers: 4}).ChunkSize())
	require.EqualValues(t, 1_000_000, throttle.New(throttle.Limits{Workers: 4, BytesPerSecond: 8_000_000}).ChunkSize())
	require.EqualValues(t, 10, (&sourceTable{Table: table.Table{Bytes: 100 << 20}, rows: 100}).firstChunk(10<<20), "by what a row takes")
	require.EqualValues(t, firstChunk, (&sourceTable{}).firstChunk(1), "without statistics")
	require.EqualValues(t, 2, nextChunk(100, pumpResult{rows: 100, bytes: 100 << 20}, time.Second, 2<<20))
	require.EqualValues(t, 400, nextChunk(100, pumpResult{rows: 100, bytes: 100}, time.Millisecond, throttle.ChunkBytes))
}

// TestSeedSplitsALongTable proves that four workers share two tables.
func TestSeedSplitsALongTable(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE long1", "CREATE TABLE long1.n (id BIGINT UNSIGNED PRIMARY KEY, v VARCHAR(500))",
			"CREATE TABLE long1.s (a VARCHAR(20), b DATETIME, v VARCHAR(500), PRIMARY KEY (a, b))")
		for from := 0; from < 60000; from += 5000 {
			var n, s []string
			for i := range 5000 {
				v := strings.Repeat("v", 400)
				n = append(n, fmt.Sprintf("(%d, '%s')", uint64(from+i)*307445734561825, v))
				s = append(s, fmt.Sprintf("('Key %d', '2024-01-01' + INTERVAL %d SECOND, '%s')", (from+i)%7, from+i, v))
			}
			source.Exec("INSERT INTO long1.n VALUES "+strings.Join(n, ","), "INSERT INTO long1.s VALUES "+strings.Join(s, ","))
		}
		source.Exec("ANALYZE TABLE long1.n, long1.s")
		done := make(chan error, 1)
		go func() { done <- StepWith(pair, Options{BytesPerSecond: 16 << 20}).Op.Apply(t.Context()) }()
		db, err := pair.Target.DB(t.Context())
		require.NoError(t, err)
		most := map[string]int64{}
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for running := true; running; {
			rows, err := query.All(t.Context(), db, "SELECT table_name AS t, COUNT(*) AS n FROM migrate.seed_parts GROUP BY 1")
			for _, r := range rows {
				require.NoError(t, err)
				most[r["t"]] = max(most[r["t"]], query.Number(r["n"]))
			}
			select {
			case err := <-done:
				require.NoError(t, err)
				running = false
			case <-tick.C:
			}
		}
		require.Greater(t, most["n"], int64(1), "numbers: %v", most)
		require.Greater(t, most["s"], int64(1), "texts: %v", most)
		require.Equal(t, replicationtest.Checksums(t, source, "long1"), replicationtest.Checksums(t, target, "long1"))
	})
}

package seed

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// BenchmarkReplay measures how fast a seed brings rows up to date that have changed during
// the copy, and how fast the server's own applier, with one thread, applies the same
// transactions to the same tables. Every row of the bench's tables is updated once, a
// hundred in a transaction.
func BenchmarkReplay(b *testing.B) {
	for _, flavor := range servertest.Flavors() {
		b.Run(string(flavor), func(b *testing.B) {
			var ours, theirs []time.Duration
			var rows int64
			for b.Loop() {
				rows = replayOnce(b, flavor, &ours, &theirs)
			}
			b.ReportMetric(float64(rows)/replicationtest.Median(ours).Seconds(), "rows/s")
			b.ReportMetric(replicationtest.Median(theirs).Seconds()/replicationtest.Median(ours).Seconds(), "vs-applier")
		})
	}
}

func replayOnce(b *testing.B, flavor servertest.Flavor, ours, theirs *[]time.Duration) (rows int64) {
	options := []servertest.Option{servertest.Set("innodb_buffer_pool_size", "1G"), servertest.Set("sync_binlog", "1"), servertest.Set("innodb_flush_log_at_trx_commit", "1")}
	source, target := servertest.Start(b, flavor, options...), servertest.Start(b, flavor, options...)
	defer source.Kill()
	defer target.Kill()
	replicationtest.MakeBenchTables(b, source)
	pair := replication.Pair{Name: "main", Schemas: []string{"bench"}, Source: replicationtest.Server(b, source, replication.Source, nil), Target: replicationtest.Server(b, target, replication.Target, nil)}
	s := &Op{Pair: pair, Options: Options{}.WithDefaults()}
	r := s.newRun()
	_, err := r.begin(b.Context())
	require.NoError(b, err)
	r.reader, err = binlog.Open(b.Context(), pair.Source)
	require.NoError(b, err)
	require.NoError(b, r.copyAll(b.Context()))

	from := r.reached
	rows = updateAll(b, source)
	began := time.Now()
	_, err = r.round(b.Context(), true)
	require.NoError(b, err)
	*ours = append(*ours, time.Since(began))
	require.NoError(b, r.reader.Close(b.Context()))
	wanted := source.Value("SELECT SUM(score) FROM bench.large")
	require.Equal(b, wanted, target.Value("SELECT SUM(score) FROM bench.large"))

	target.Exec("SET sql_log_bin = 0", "UPDATE bench.large SET score = 0")
	followFrom(b, flavor, from, source, target)
	dialect, err := pair.Target.Dialect(b.Context())
	require.NoError(b, err)
	goal, err := replication.ExecutedGTIDs(b.Context(), source.Root(), dialect)
	require.NoError(b, err)
	began = time.Now()
	target.Exec(map[servertest.Flavor]string{servertest.MariaDB: "START SLAVE", servertest.MySQL: "START REPLICA"}[flavor])
	reached, err := replication.WaitGTIDs(b.Context(), target.Root(), dialect, goal, 5*time.Minute)
	require.NoError(b, err)
	require.True(b, reached)
	*theirs = append(*theirs, time.Since(began))
	require.Equal(b, wanted, target.Value("SELECT SUM(score) FROM bench.large"), "the applier has applied them too")
	b.Logf("%s: %d rows: %s, the applier %s", flavor, rows, (*ours)[len(*ours)-1], (*theirs)[len(*theirs)-1])
	return rows
}

// updateAll updates every row once, by four writers.
func updateAll(b *testing.B, source *servertest.Instance) (rows int64) {
	tables := []string{"large"}
	for i := range 40 {
		tables = append(tables, fmt.Sprintf("small%d", i))
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for i, table := range tables {
				var most int64
				if source.Root().QueryRowContext(b.Context(), "SELECT MAX(id) FROM bench."+table).Scan(&most) != nil {
					return // the sums will differ
				}
				for at := int64(0); at <= most; at += 100 {
					if (at/100+int64(i))%4 == int64(w) {
						_, _ = source.Root().ExecContext(b.Context(), fmt.Sprintf("UPDATE bench.%s SET score = id * 2 + 1 WHERE id > %d AND id <= %d", table, at, at+100))
					}
				}
			}
		}()
	}
	writers.Wait()
	for _, table := range tables {
		var n int64
		require.NoError(b, source.Root().QueryRowContext(b.Context(), "SELECT COUNT(*) FROM bench."+table+" WHERE score = id * 2 + 1").Scan(&n))
		rows += n
	}
	return rows
}

// followFrom prepares the server's own replication with one applier.
func followFrom(b *testing.B, flavor servertest.Flavor, from replication.GTIDSet, source, target *servertest.Instance) {
	source.Exec("SET sql_log_bin = 0", "CREATE USER migrate_test@'%' IDENTIFIED BY 'pw'", "GRANT REPLICATION SLAVE ON *.* TO migrate_test@'%'")
	if flavor == servertest.MariaDB {
		target.Exec("SET GLOBAL gtid_slave_pos = '"+from.String()+"'", "SET GLOBAL slave_parallel_threads = 0", "SET GLOBAL gtid_strict_mode = 0",
			fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='migrate_test', MASTER_PASSWORD='pw', MASTER_USE_GTID=slave_pos", source.Port))
		return
	}
	target.Exec("SET GLOBAL gtid_purged = '+"+strings.ReplaceAll(from.String(), "\n", "")+"'", "SET GLOBAL replica_parallel_workers = 1",
		fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%d, SOURCE_USER='migrate_test', SOURCE_PASSWORD='pw', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", source.Port))
}

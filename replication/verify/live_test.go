package verify

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// updateOneRow changes the same row without a pause until stop is called.
func updateOneRow(t *testing.T, s *servertest.Instance) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			_, _ = s.Root().ExecContext(ctx, "UPDATE load1.counters SET n = n + 1 WHERE k = 1000")
		}
	})
	return sync.OnceFunc(func() { cancel(); done.Wait() })
}

func TestVerifyUnderLoad(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := fencedPair(t, flavor, func(s *servertest.Instance) {
			replicationtest.MakeLoadSchema(s)
			s.Exec("ALTER TABLE load1.nokey ADD COLUMN n INT AUTO_INCREMENT PRIMARY KEY INVISIBLE", "INSERT INTO load1.counters VALUES (1000, 0)")
		})
		stop, stopUpdates := replicationtest.Load(t, p.SourceInstance), updateOneRow(t, p.SourceInstance)
		defer stop()
		defer stopUpdates()
		var reread int64
		for end := time.Now().Add(time.Minute); reread == 0 && time.Now().Before(end); {
			report, err := Run(t.Context(), p.Pair, Options{ChunkRows: 500})
			require.NoError(t, err)
			require.True(t, report.Clean(), "%v", report.Differences)
			reread += report.Reread
		}
		require.Positive(t, reread, "the load must make some chunks differ at first")
		// Rows that no writer touches: one that changes again on the source would stop the link, or the link would repair it.
		plant(t, p, "UPDATE load1.posts SET score = 0.5 WHERE id = 4001", "DELETE FROM load1.posts WHERE id = 4002", "INSERT INTO load1.posts (id) VALUES (9000000)")
		report, err := Run(t.Context(), p.Pair, Options{ChunkRows: 500})
		require.NoError(t, err)
		require.Equal(t, []Difference{
			{Object: "load1.posts", Key: "4001", What: "differs"},
			{Object: "load1.posts", Key: "4002", What: "missing on main (target)"},
			{Object: "load1.posts", Key: "9000000", What: "only on main (target)"},
		}, report.Differences)
		stopUpdates()
		require.Positive(t, stop())
	})
}

// readOnlyStatement matches the statements that verify may send: no lock and no write.
var readOnlyStatement = regexp.MustCompile(`^(SELECT|SHOW|SET (NAMES|SESSION|[a-z_@]+ =))`)

func TestVerifyTakesNoLockAndWritesNothing(t *testing.T) { // I6
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := fencedPair(t, flavor, replicationtest.MakeLoadSchema)
		plant(t, p, "DELETE FROM load1.posts WHERE id = 7", "UPDATE load1.nokey SET a = 1", "UPDATE load1.posts SET title = '' WHERE id > 100")
		before := [2]string{executedText(t, p.Source), executedText(t, p.Target)}
		require.NoError(t, p.Source.Close(), "so that the log also shows how sessions begin")
		require.NoError(t, p.Target.Close())
		servers := []*servertest.Instance{p.SourceInstance, p.TargetInstance}
		for _, s := range servers {
			s.Exec("SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = 1")
		}
		report, err := Run(t.Context(), p.Pair, Options{ChunkRows: 100})
		require.NoError(t, err)
		require.Greater(t, report.Found, int64(1000))
		for _, s := range servers {
			s.Exec("SET GLOBAL general_log = 0")
			sent, err := query.Strings(t.Context(), s.Root(), "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE command_type IN ('Query', 'Execute', 'Prepare') AND argument NOT LIKE '%general_log%'")
			require.NoError(t, err)
			require.Greater(t, len(sent), 50)
			for _, statement := range sent {
				require.Regexp(t, readOnlyStatement, statement)
				require.NotContains(t, statement, "FOR UPDATE")
				require.NotContains(t, statement, "LOCK TABLE")
			}
		}
		require.Equal(t, before, [2]string{executedText(t, p.Source), executedText(t, p.Target)})
	})
}

// TestVerifySplitsWhatTakesTooLong: a statement that its limit ends is made smaller until
// it fits, so that none of verify's transactions is older than the limit.
func TestVerifySplitsWhatTakesTooLong(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := fencedPair(t, flavor, func(s *servertest.Instance) {
			replicationtest.MakeLoadSchema(s)
			s.Exec("INSERT INTO load1.posts (title, score) SELECT title, score FROM load1.posts", "INSERT INTO load1.posts (title, score) SELECT title, score FROM load1.posts")
			s.Exec("INSERT INTO load1.nokey SELECT id, 'x' FROM load1.posts")
		})
		plant(t, p, "DELETE FROM load1.posts WHERE id = 7777", "UPDATE load1.nokey SET b = 'y' WHERE a = 5")
		v := newVerifier(p.Pair, Options{})
		v.limit = 3 * time.Millisecond
		require.NoError(t, v.run(t.Context()))
		require.Len(t, v.report.Differences, 2, "%v", v.report.Differences)
		require.Equal(t, "load1.nokey", v.report.Differences[0].Object)
		require.Equal(t, Difference{Object: "load1.posts", Key: "7777", What: "missing on main (target)"}, v.report.Differences[1])
		require.Greater(t, v.report.Chunks, int64(5), "20,000 rows do not fit in 3 ms")
		w, err := v.openConn(t.Context(), p.Source)
		require.NoError(t, err)
		defer w.Close()
		_, err = w.Texts(t.Context(), "SELECT COUNT(*) FROM load1.posts a, load1.posts b")
		require.True(t, isTooLong(err), "%v", err)
	})
}

// TestVerifyOfRowsLargerThanAPacket: the servers would leave a row that does not fit in a
// packet out of the hash, with only a warning.
func TestVerifyOfRowsLargerThanAPacket(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := fencedPair(t, flavor, func(s *servertest.Instance) {
			s.Exec("CREATE TABLE app.large (id INT PRIMARY KEY, a LONGTEXT, b LONGBLOB)", "INSERT INTO app.large VALUES (1, REPEAT('a', 700000), REPEAT('b', 700000)), (2, 'a', REPEAT('b', 3000000)), (3, '', NULL)")
		})
		for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
			s.Exec("SET GLOBAL max_allowed_packet = 1048576")
		}
		for i, damage := range []string{"", "UPDATE app.large SET b = CONCAT('c', b) WHERE id = 1", "UPDATE app.large SET b = CONCAT(SUBSTRING(b, 2), 'x') WHERE id = 2", "UPDATE app.large SET b = '' WHERE id = 3"} {
			if damage != "" {
				plant(t, p, damage)
			}
			report, err := Run(t.Context(), p.Pair, Options{})
			require.NoError(t, err)
			require.Len(t, report.Differences, i, "%v", report.Differences)
			for k := range i {
				require.Equal(t, fmt.Sprintf("app.large key %d: differs", k+1), report.Differences[k].String())
			}
		}
	})
}

func TestVerifyContinuesAfterALostConnection(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := fencedPair(t, flavor, replicationtest.MakeLoadSchema)
		plant(t, p, "DELETE FROM load1.posts WHERE id = 7")
		v := newVerifier(p.Pair, Options{})
		require.NoError(t, v.open(t.Context()))
		w, err := v.openConns(t.Context())
		require.NoError(t, err)
		defer w.close()
		tables, err := allShapes(t.Context(), p.Source, "load1")
		require.NoError(t, err)
		for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
			ids, err := query.Strings(t.Context(), s.Root(), "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Sleep' AND ID <> CONNECTION_ID()")
			require.NoError(t, err)
			for _, id := range ids {
				_, _ = s.Root().Exec("KILL " + id)
			}
		}
		run := &tableRun{tableShape: tables[2]}
		require.Equal(t, "load1.posts", run.Title())
		require.NoError(t, v.compareSpan(t.Context(), w, newSpanQueue(nil, 1000), span{run: run}))
		require.Equal(t, []Difference{{Object: "load1.posts", Key: "7", What: "missing on main (target)"}}, v.report.Differences)
	})
}

// allShapes reads the shapes of a schema's tables, in one batch.
func allShapes(ctx context.Context, s *replication.Server, name string) (tables []*tableShape, err error) {
	batches, err := schema.NewBatches(ctx, s, []string{name}, schema.BatchTables)
	if err != nil {
		return nil, err
	}
	return tables, batches.Each(ctx, func(b schema.Batch) error {
		tables, err = readShapes(ctx, s, b)
		return err
	})
}

// Rows that are in the other side's log and not visible there have not arrived: a verify
// that reads them then would compare old rows, and call them different. Only MariaDB's log
// is ahead of what it shows.
func TestVerifyWaitsForRowsThatAreLoggedAndNotVisible(t *testing.T) {
	p := fencedPair(t, servertest.MariaDB, func(s *servertest.Instance) { s.Exec("INSERT INTO app.notes (text) VALUES ('9')") })
	end := replicationtest.DelayCommits(p.TargetInstance)
	defer end()
	p.SourceInstance.Exec("UPDATE app.notes SET text = '10'")
	require.Eventually(t, func() bool {
		return p.TargetInstance.Value("SELECT @@GLOBAL.gtid_binlog_pos") == p.SourceInstance.Value("SELECT @@GLOBAL.gtid_binlog_pos")
	}, 20*time.Second, 10*time.Millisecond, "the change is in the target's log")
	_, err := Run(t.Context(), p.Pair, Options{Wait: 200 * time.Millisecond})
	require.ErrorContains(t, err, "has not executed")
}

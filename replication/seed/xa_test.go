package seed

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestSeedFollowsPreparedTransactions prepares transactions and ends them in every way,
// with rounds and another attempt in between.
func TestSeedFollowsPreparedTransactions(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor, followOptions(flavor)...)
		source.Exec("CREATE DATABASE s", "CREATE TABLE s.blog (id INT PRIMARY KEY, v INT)",
			"CREATE TABLE s.post (id INT PRIMARY KEY, blog INT, v INT, FOREIGN KEY (blog) REFERENCES s.blog (id) ON DELETE CASCADE ON UPDATE CASCADE)",
			"CREATE TABLE s.reply (id INT PRIMARY KEY, post INT, v INT, FOREIGN KEY (post) REFERENCES s.post (id) ON DELETE CASCADE)",
			"CREATE TABLE s.x (id INT PRIMARY KEY, v INT)")
		for _, table := range []string{"blog (id, v)", "x (id, v)"} {
			source.Exec("INSERT INTO s." + table + " VALUES (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0)")
		}
		source.Exec("INSERT INTO s.post SELECT id, id, 0 FROM s.blog", "INSERT INTO s.reply SELECT id, id, 0 FROM s.blog")
		xa := func(name string, statements ...string) { replicationtest.PrepareXA(t, source, name, statements...) }
		end := func(statement string) { replicationtest.EndXA(t, source, statement) }
		run := openRun(t, pair, Options{SegmentKeys: 5, Workers: 2})
		require.NoError(t, run.copyAll(t.Context()))
		round := func() {
			_, err := run.round(t.Context(), true)
			require.NoError(t, err)
			require.Empty(t, run.dirty, "rows are known by their keys")
		}
		xa("'rows'", "UPDATE s.x SET v = 1 WHERE id = 1", "DELETE FROM s.x WHERE id = 2", "INSERT INTO s.x VALUES (20, 1)")
		xa("'keys'", "DELETE FROM s.blog WHERE id = 2", "UPDATE s.blog SET id = 30 WHERE id = 3")
		if flavor == servertest.MySQL {
			source.Exec("SET GLOBAL binlog_transaction_compression = 1")
			xa("'packed'", "UPDATE s.x SET v = 7 WHERE id = 7")
			source.Exec("SET GLOBAL binlog_transaction_compression = 0")
		} else {
			source.Exec("SET GLOBAL log_bin_compress = 1, GLOBAL log_bin_compress_min_len = 10")
			xa("'packed'", "UPDATE s.x SET v = 7 WHERE id = 7")
			source.Exec("SET GLOBAL log_bin_compress = 0")
		}
		xa("'back'", "UPDATE s.x SET v = 1 WHERE id = 3")
		xa("'large'", "UPDATE s.x SET v = 1 WHERE id = 4", "INSERT INTO s.x VALUES (41, 1), (42, 1), (43, 1), (44, 1), (45, 1), (46, 1), (47, 1), (48, 1), (49, 1), (50, 1), (51, 1)")
		source.Exec("XA START 'whole'", "UPDATE s.x SET v = 1 WHERE id = 5", "XA END 'whole'", "XA COMMIT 'whole' ONE PHASE")
		round()
		require.Len(t, run.preparedAt(run.reached), 5)
		source.Exec("UPDATE s.x SET v = 2 WHERE id = 6")
		round()

		again := openRun(t, pair, Options{SegmentKeys: 5, Workers: 2}) // as after a crash
		require.NoError(t, again.resume(t.Context()))
		require.Len(t, again.preparedAt(again.reached), 5, "they are read again")
		run = again
		require.NoError(t, run.copyAll(t.Context()))
		end("XA COMMIT 'rows'")
		end("XA COMMIT 'keys'")
		end("XA COMMIT 'packed'")
		end("XA ROLLBACK 'back'")
		round()
		require.Empty(t, difference(t, source, target, "s"))
		end("XA COMMIT 'large'")
		_, err := run.round(t.Context(), true)
		require.NoError(t, err)
		require.NoError(t, run.copyAll(t.Context()))
		require.Empty(t, difference(t, source, target, "s"))
		require.Empty(t, run.prepared)
	})
}

// difference lists the tables of a schema whose rows differ.
func difference(t *testing.T, source, target *servertest.Instance, schema string) (names []string) {
	want, got := replicationtest.Checksums(t, source, schema), replicationtest.Checksums(t, target, schema)
	for name, sum := range want {
		if got[name] != sum {
			names = append(names, name)
		}
	}
	return names
}

// TestSeedEndsWithNothingPrepared seeds while transactions are prepared before its first
// position and across its last one.
func TestSeedEndsWithNothingPrepared(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		target.Exec("SET GLOBAL read_only = 1")
		source.Exec("CREATE DATABASE s", "CREATE TABLE s.x (id INT PRIMARY KEY, v INT)", "INSERT INTO s.x VALUES (1, 0), (2, 0)")
		prepare := func(name, id string) {
			replicationtest.PrepareXA(t, source, name, "UPDATE s.x SET v = 1 WHERE id = "+id)
		}
		prepare("'first'", "1")
		step := StepWith(pair, Options{PreparedLimit: time.Second})
		err := step.Op.Apply(t.Context())
		require.ErrorIs(t, err, binlog.ErrPrepared)
		require.ErrorContains(t, err, "'first',")
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 's'"), "nothing was begun")

		var notes replicationtest.Notes
		done := make(chan error, 1)
		go func() { done <- StepWith(pair, Options{}).Op.Apply(notes.Context(t.Context())) }()
		require.Eventually(t, func() bool { return strings.Contains(notes.Text(), "'first',") }, 30*time.Second, 10*time.Millisecond)
		replicationtest.EndXA(t, source, "XA COMMIT 'first'")
		require.NoError(t, <-done)
		require.Equal(t, "1", target.Value("SELECT v FROM s.x WHERE id = 1"))
		require.NoError(t, step.Op.Undo(t.Context(), nil))

		if flavor == servertest.MySQL {
			target.Exec("SET GLOBAL super_read_only = 0") // as Writable does
		}
		run := openRun(t, pair, Options{PreparedLimit: time.Second})
		require.NoError(t, run.copyAll(t.Context()))
		prepare("'last'", "2")
		_, err = run.attempt(t.Context())
		require.ErrorIs(t, err, binlog.ErrPrepared)
		require.ErrorContains(t, err, "'last',")
		replicationtest.EndXA(t, source, "XA COMMIT 'last'")
		require.NoError(t, run.reader.Close(t.Context()))
		require.NoError(t, step.Op.Apply(t.Context()))
		replicationtest.Replicate(t, flavor, source, target)
		source.Exec("UPDATE s.x SET v = v + 10")
		replicationtest.Settle(t, pair.Source, pair.Target)
		require.Empty(t, difference(t, source, target, "s"))
	})
}

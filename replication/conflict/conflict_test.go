package conflict

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// memoryStore keeps a window and a report as JSON, as the workspace does.
type memoryStore struct{ window, report []byte }

func (m *memoryStore) Window(context.Context, string) (w Window, ok bool, err error) {
	if m.window == nil {
		return w, false, nil
	}
	return w, true, json.Unmarshal(m.window, &w)
}

func (m *memoryStore) SaveWindow(_ context.Context, _ string, w *Window) (err error) {
	if m.window = nil; w != nil {
		m.window, err = json.Marshal(w)
	}
	return err
}

func (m *memoryStore) Report(context.Context, string, replication.Side) (r Report, ok bool, err error) {
	if m.report == nil {
		return r, false, nil
	}
	return r, true, json.Unmarshal(m.report, &r)
}

func (m *memoryStore) SaveReport(_ context.Context, r Report) (where string, err error) {
	m.report, err = json.Marshal(r)
	return "conflicts-main.json", err
}

// dualPair is a pair with both links, an open window and both sides writable. The
// statements tables run on both sides, out of the binlog.
func dualPair(t *testing.T, flavor servertest.Flavor, tables []string, options ...servertest.Option) (*replicationtest.Pair, *memoryStore) {
	t.Helper()
	p := replicationtest.StartApp(t, flavor, options...)
	for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
		s.Exec(append([]string{"SET SESSION sql_log_bin = 0"}, tables...)...)
	}
	require.NoError(t, replicationtest.Apply(t, link.Start(p.Source, p.Target)))
	require.NoError(t, replicationtest.Apply(t, link.Start(p.Target, p.Source)))
	// Both servers have logged something, so that there is a position in each log.
	p.SourceInstance.Exec("INSERT INTO app.notes VALUES (1, 'before')")
	replicationtest.Settle(t, p.Source, p.Target)
	p.TargetInstance.Exec("UPDATE app.notes SET text = 'seen' WHERE id = 1")
	replicationtest.Settle(t, p.Target, p.Source)
	store := &memoryStore{}
	plantest.Exercise(t, OpenWindow(p.Pair, store))
	return p, store
}

// apart runs f while neither side receives the other's writes.
func apart(t *testing.T, p *replicationtest.Pair, f func()) {
	t.Helper()
	for _, s := range []*replication.Server{p.Source, p.Target} {
		db, dialect, err := s.Open(t.Context())
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), dialect.StopReplica())
		require.NoError(t, err)
	}
	f()
	for _, s := range []*replication.Server{p.Source, p.Target} {
		db, dialect, err := s.Open(t.Context())
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), dialect.StartReplica())
		require.NoError(t, err)
	}
}

// exchange waits until both sides have all of each other's writes.
func exchange(t *testing.T, p *replicationtest.Pair) {
	t.Helper()
	replicationtest.Settle(t, p.Source, p.Target)
	replicationtest.Settle(t, p.Target, p.Source)
}

// closedReport fences the source, runs the gate and returns its report, which must be
// complete.
func closedReport(t *testing.T, p *replicationtest.Pair, store *memoryStore) Report {
	t.Helper()
	require.NoError(t, fence.Set(p.Source, fence.Options{}).Op.Apply(t.Context()))
	began := time.Now()
	plantest.Exercise(t, Gate(p.Pair, replication.Target, store, 10*time.Second))
	r, ok, err := store.Report(t.Context(), "main", replication.Target)
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, r.Complete)
	t.Logf("%s (the exercise took %s, the last report %s)", r.Summary(), time.Since(began), r.Took)
	for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
		require.Equal(t, "0", s.Value("SELECT COUNT(*) FROM mysql.user WHERE User = ?", binlog.ReaderLogin(nil).Name), "no account is left")
	}
	return r
}

// lines are the conflicts of a report in one line each.
func lines(r Report) []string {
	var out []string
	for _, c := range r.Conflicts {
		out = append(out, fmt.Sprintf("%s %s(%s) %s/%s", c.Table, c.Unique, c.Key, c.Left.What, c.Entered.What))
	}
	return out
}

func TestConflictsAreWritesWithoutTheOthers(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p, store := dualPair(t, flavor, []string{
			"CREATE TABLE app.stock (shop INT, item VARCHAR(20), n INT, PRIMARY KEY (shop, item))",
			"INSERT INTO app.stock VALUES (1, 'pen', 5), (1, 'ink', 5), (2, 'pen', 5), (2, 'cap', 5)",
		})
		// Writes in turn are no conflict.
		for range 3 {
			p.SourceInstance.Exec("UPDATE app.stock SET n = n + 1 WHERE shop = 1")
			replicationtest.Settle(t, p.Source, p.Target)
			p.TargetInstance.Exec("UPDATE app.stock SET n = n + 1 WHERE shop = 1")
			replicationtest.Settle(t, p.Target, p.Source)
		}
		apart(t, p, func() {
			p.SourceInstance.Exec("UPDATE app.stock SET n = n + 1 WHERE shop = 2", "INSERT INTO app.notes (id, text) VALUES (11, 's')")
			p.TargetInstance.Exec("UPDATE app.stock SET n = n + 1 WHERE shop = 2 AND item = 'pen'", "INSERT INTO app.notes (id, text) VALUES (12, 't')")
		})
		exchange(t, p)
		r := closedReport(t, p, store)
		require.Equal(t, []string{"app.stock (2, 'pen') update/update"}, lines(r))
		require.EqualValues(t, 2, r.InTurn, "both rows of shop 1")
		require.EqualValues(t, 5, r.Wrote[0].Transactions)
		require.EqualValues(t, 3*2+2+1, r.Wrote[0].Rows)
		require.EqualValues(t, 5, r.Wrote[1].Transactions)
		require.Empty(t, r.Unsure)
		require.WithinDuration(t, time.Now(), r.Conflicts[0].Left.At, time.Minute)
		require.NotEqual(t, r.Conflicts[0].Left.GTID, r.Conflicts[0].Entered.GTID)
		_, err := replication.ParseGTIDSet(map[servertest.Flavor]dialect.Flavor{servertest.MariaDB: dialect.MariaDB, servertest.MySQL: dialect.MySQL}[flavor], r.Conflicts[0].Left.GTID)
		require.NoError(t, err, "the coordinate is a GTID")
	})
}

func TestConflictsByEveryKindOfKey(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p, store := dualPair(t, flavor, []string{
			"CREATE TABLE app.big (id BIGINT UNSIGNED PRIMARY KEY, small TINYINT UNSIGNED, n INT)",
			"INSERT INTO app.big VALUES (18446744073709551614, 255, 0), (18446744073709551615, 254, 0)",
			"CREATE TABLE app.word (w VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, n INT)",
			"CREATE TABLE app.pile (a INT, b VARCHAR(20))",
			"INSERT INTO app.pile VALUES (1, 'left'), (2, 'both')",
			"CREATE TABLE app.mail (id INT PRIMARY KEY, address VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_swedish_ci NULL, UNIQUE KEY by_address (address))",
			"INSERT INTO app.mail VALUES (1, 'ann@x'), (2, 'bob@x'), (3, NULL), (4, NULL)",
			"CREATE TABLE app.calc (v INT AS (id * 2) VIRTUAL, id INT PRIMARY KEY, s INT AS (id + 1) STORED, UNIQUE KEY by_v (v))",
			"INSERT INTO app.calc (id) VALUES (7), (8)",
			"CREATE TABLE app.bytes (k VARBINARY(8) PRIMARY KEY, at TIMESTAMP(3) NULL, f FLOAT, d DECIMAL(20,4), e ENUM('x','y'), j JSON)",
			"INSERT INTO app.bytes VALUES (x'00ff27', '2026-01-02 03:04:05.678', 1.5, 12345.6789, 'y', '{\"a\": 1}')",
		})
		apart(t, p, func() {
			p.SourceInstance.Exec(
				"UPDATE app.big SET n = n + 1 WHERE id = 18446744073709551615",
				"UPDATE app.word SET n = 1 WHERE w = 'none'",
				"DELETE FROM app.pile WHERE a = 2",
				"UPDATE app.mail SET address = 'Carl@x' WHERE id = 1",
				"UPDATE app.mail SET id = id WHERE id = 3",
				"DELETE FROM app.calc WHERE id = 7",
				"UPDATE app.bytes SET f = 2")
			p.TargetInstance.Exec(
				"UPDATE app.big SET n = n + 1",
				"UPDATE app.pile SET b = 'mine' WHERE a IN (1, 2)",
				"DELETE FROM app.mail WHERE id = 4",
				"DELETE FROM app.calc WHERE id = 7",
				"DELETE FROM app.bytes")
		})
		// The links stop at a row that does not fit any more (H6).
		r := stoppedReport(t, p, store)
		require.Equal(t, []string{
			"app.big (18446744073709551615) update/update",
			"app.bytes (x'00ff27') update/delete",
			"app.calc (7) delete/delete",
		}, keyedLines(r))
		require.Len(t, lines(r), 4, "and the row of the table without a key")
		require.NotContains(t, fmt.Sprint(r), "mine", "no row contents")
	})
}

// stoppedReport fences the source and runs the gate while the forward link may have
// stopped: then the gate fails, with a report of what the target has.
func stoppedReport(t *testing.T, p *replicationtest.Pair, store *memoryStore) Report {
	t.Helper()
	require.NoError(t, fence.Set(p.Source, fence.Options{}).Op.Apply(t.Context()))
	err := Gate(p.Pair, replication.Target, store, 3*time.Second).Op.Apply(t.Context())
	r, ok, storeErr := store.Report(t.Context(), "main", replication.Target)
	require.NoError(t, storeErr)
	require.True(t, ok, "%v", err)
	require.Equal(t, err == nil, r.Complete, "%v", err)
	t.Logf("%s; error: %v", r.Summary(), err)
	return r
}

// keyedLines are the lines of rows that have a primary key, sorted.
func keyedLines(r Report) []string {
	out := slices.DeleteFunc(lines(r), func(l string) bool { return strings.Contains(l, "no primary key") })
	slices.Sort(out)
	return out
}

// A unique value that both sides take stops the link; the report names it.
func TestConflictsOfUniqueValuesAndCollations(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p, store := dualPair(t, flavor, []string{
			"CREATE TABLE app.mail (id INT PRIMARY KEY, address VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_swedish_ci NULL, UNIQUE KEY by_address (address))",
			"INSERT INTO app.mail VALUES (1, 'ann@x'), (2, 'bob@x')",
			"CREATE TABLE app.word (w VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY, n INT)",
			"CREATE TABLE app.exact (w VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, n INT)",
		})
		apart(t, p, func() {
			p.SourceInstance.Exec(
				"INSERT INTO app.exact VALUES ('Same', 1)",
				"INSERT INTO app.word VALUES ('Straße', 1), ('other', 1)",
				"UPDATE app.mail SET address = 'Jörg@x' WHERE id = 1",
				"INSERT INTO app.mail VALUES (5, NULL)")
			p.TargetInstance.Exec(
				"INSERT INTO app.exact VALUES ('same', 1)",
				"INSERT INTO app.mail VALUES (4, 'JÖRG@X '), (6, NULL)",
				"INSERT INTO app.word VALUES ('STRASSE', 2)")
		})
		r := stoppedReport(t, p, store)
		require.False(t, r.Complete)
		require.ElementsMatch(t, []string{
			"app.word ('STRASSE') insert/insert",
			"app.mail by_address(x'4ad65247405820') update/insert",
		}, lines(r))
		require.Contains(t, Gate(p.Pair, replication.Target, store, time.Second).Op.Verify(t.Context()).Error(), "not reported")
	})
}

func TestConflictsInCompressedAndRotatedLogs(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		options := map[servertest.Flavor][]servertest.Option{
			servertest.MySQL:   {servertest.Set("binlog_transaction_compression", "ON"), servertest.Set("binlog_row_metadata", "FULL")},
			servertest.MariaDB: {servertest.Set("log_bin_compress", "ON"), servertest.Set("log_bin_compress_min_len", "10")},
		}[flavor]
		p, store := dualPair(t, flavor, []string{
			"CREATE TABLE app.texts (id INT UNSIGNED PRIMARY KEY, body TEXT)",
			"INSERT INTO app.texts VALUES (1, REPEAT('a', 5000)), (4294967295, REPEAT('b', 5000))",
		}, options...)
		apart(t, p, func() {
			p.SourceInstance.Exec("FLUSH BINARY LOGS", "UPDATE app.texts SET body = CONCAT(body, REPEAT('x', 3000))", "FLUSH BINARY LOGS",
				"INSERT INTO app.texts VALUES (5, REPEAT('c', 4000))")
			p.TargetInstance.Exec("UPDATE app.texts SET body = REPEAT('y', 6000) WHERE id > 1", "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
		})
		exchange(t, p)
		require.Equal(t, []string{"app.texts (4294967295) update/update"}, lines(closedReport(t, p, store)))
	})
}

func TestConflictsOfPurgedLogsAreAnError(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p, store := dualPair(t, flavor, nil)
		p.SourceInstance.Exec("INSERT INTO app.notes VALUES (21, 'x')", "FLUSH BINARY LOGS", "INSERT INTO app.notes VALUES (23, 'y')")
		exchange(t, p)
		require.Eventually(t, func() bool { // a log that the link has open stays
			logs := logNames(t, p)
			p.SourceInstance.Exec("PURGE BINARY LOGS TO '" + logs[len(logs)-1] + "'")
			return len(logNames(t, p)) == 1
		}, 20*time.Second, 200*time.Millisecond)
		require.NoError(t, fence.Set(p.Source, fence.Options{}).Op.Apply(t.Context()))
		err := Gate(p.Pair, replication.Target, store, 3*time.Second).Op.Apply(t.Context())
		require.ErrorIs(t, err, binlog.ErrPurged)
		require.Contains(t, report.Hint(err), "migrate verify")
		require.Error(t, Gate(p.Pair, replication.Target, store, time.Second).Op.Verify(t.Context()))
		require.NoError(t, store.SaveWindow(t.Context(), "main", nil))
		plantest.Exercise(t, Gate(p.Pair, replication.Target, store, 3*time.Second)) // the operator goes on without
		require.Equal(t, "0", p.SourceInstance.Value("SELECT COUNT(*) FROM mysql.user WHERE User = ?", binlog.ReaderLogin(nil).Name))
	})
}

// logNames lists the source's binlogs.
func logNames(t *testing.T, p *replicationtest.Pair) []string {
	t.Helper()
	db, err := p.Source.DB(t.Context())
	require.NoError(t, err)
	records, err := query.All(t.Context(), db, "SHOW BINARY LOGS")
	require.NoError(t, err)
	var out []string
	for _, r := range records {
		out = append(out, r["Log_name"])
	}
	return out
}

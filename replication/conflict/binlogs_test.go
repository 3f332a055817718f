package conflict

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// What a log cannot tell is named, and nothing of it is taken for a row.
func TestConflictsNameWhatLogsCannotTell(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		special := map[servertest.Flavor][]string{
			servertest.MariaDB: {
				"CREATE TABLE app.odd (id INT PRIMARY KEY, long_text TEXT, packed VARCHAR(2000), UNIQUE KEY by_text (long_text))", // a hidden column
				"INSERT INTO app.odd VALUES (1, 'a', REPEAT('SECRET', 200)), (2, 'b', 'x')",
				"CREATE TABLE app.packed (id INT PRIMARY KEY, packed VARCHAR(2000) COMPRESSED)",
				"INSERT INTO app.packed VALUES (1, REPEAT('SECRET', 200))",
			},
			servertest.MySQL: {
				"CREATE TABLE app.odd (id INT PRIMARY KEY, long_text TEXT, packed VARCHAR(2000), UNIQUE KEY by_text ((UPPER(SUBSTRING(long_text, 1, 20)))))",
				"INSERT INTO app.odd VALUES (1, 'a', REPEAT('SECRET', 200)), (2, 'b', 'x')",
			},
		}[flavor]
		p, store := dualPair(t, flavor, special)
		apart(p, t, func() {
			p.SourceInstance.Exec("UPDATE app.odd SET packed = CONCAT(packed, 's')")
			p.TargetInstance.Exec("UPDATE app.odd SET packed = CONCAT(packed, 't') WHERE id = 2")
		})
		p.SourceInstance.Exec("USE app", "/* by hand */ CREATE TABLE later (id INT PRIMARY KEY)", "ALTER TABLE app.notes ADD COLUMN extra INT", "CREATE USER nobody@nowhere")
		if flavor == servertest.MariaDB {
			p.SourceInstance.Exec("UPDATE app.packed SET packed = CONCAT(packed, 's')")
			p.SourceInstance.Exec("SET SESSION binlog_format = STATEMENT", "UPDATE app.notes SET text = 'by statement' WHERE id = 1")
		}
		exchange(p, t)
		r := runConflicts(p, t, store)
		unsure := strings.Join(r.Unsure, "\n")
		require.Contains(t, unsure, "CREATE in schema app by ")
		require.Contains(t, unsure, "ALTER in schema")
		require.Equal(t, 2, strings.Count(unsure, "CREATE")+strings.Count(unsure, "ALTER"), "accounts are no rows: %s", unsure)
		require.NotContains(t, unsure, "SECRET")
		require.NotContains(t, unsure, "by statement")
		if flavor == servertest.MariaDB {
			require.Contains(t, unsure, "UPDATE in schema")
			require.Contains(t, unsure, "table app.packed in ", "compressed columns cannot be decoded")
		} else {
			require.Contains(t, unsure, "unique key by_text of app.odd")
		}
		require.Equal(t, []string{"app.odd (2) update/update"}, lines(r))
	})
}

// An account that a crash left is gone after the next window, and after finish.
func TestReadersAreDropped(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		left := func() {
			for _, s := range []*replication.Server{p.Source, p.Target} {
				_, err := binlog.Open(t.Context(), s)
				require.NoError(t, err)
			}
		}
		gone := func() {
			for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
				require.Equal(t, "0", s.Value("SELECT COUNT(*) FROM mysql.user WHERE User = ?", binlog.ReaderLogin(nil).Name))
			}
		}
		left()
		grants := p.SourceInstance.Value("SHOW GRANTS FOR 'migrate_reader'@'localhost'")
		require.True(t, strings.HasPrefix(grants, "GRANT REPLICATION SLAVE ON *.* TO"), "nothing else: %s", grants)
		require.NoError(t, OpenWindow(p.Pair, &memoryConflicts{}).Op.Apply(t.Context()))
		gone()
		left()
		require.NoError(t, fence.Set(p.Source, fence.Options{}).Op.Apply(t.Context()))
		plantest.Exercise(t, DropReaders(p.Pair))
		gone()
	})
}

// An open window stays over a switch back; a closed one does not.
func TestAWindowStaysOpenUntilItIsReported(t *testing.T) {
	p, store := dualPair(t, servertest.MariaDB, nil)
	first, _, err := store.ConflictWindow(t.Context(), "main")
	require.NoError(t, err)
	p.SourceInstance.Exec("INSERT INTO app.notes VALUES (31, 'x')")
	exchange(p, t)
	again := OpenWindow(p.Pair, store).Op
	require.NoError(t, again.Apply(t.Context()))
	w, _, err := store.ConflictWindow(t.Context(), "main")
	require.NoError(t, err)
	require.Equal(t, first, w)
	require.ErrorIs(t, Gate(p.Pair, replication.Target, store, time.Second).Op.Apply(t.Context()), link.ErrNotFenced, "not while it is written to")

	r := runConflicts(p, t, store)
	require.EqualValues(t, 1, r.Wrote[0].Rows)
	require.NoError(t, again.Apply(t.Context()))
	w, _, err = store.ConflictWindow(t.Context(), "main")
	require.NoError(t, err)
	require.False(t, w.Closed)
	require.NotEqual(t, first.Start, w.Start, "a new one")
}

// history is a random run of two servers that exchange transactions, each of
// which writes one key.
type history struct{ logs [2][]logEvent }

type logEvent struct {
	origin, nth, key int
}

func drawHistory(t *rapid.T) history {
	var h history
	var sent [2]int // of the other's natives, how many a server has applied
	var made [2][]logEvent
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		side := rapid.IntRange(0, 1).Draw(t, "side")
		if rapid.Bool().Draw(t, "write") {
			e := logEvent{side, len(made[side]) + 1, rapid.IntRange(0, 3).Draw(t, "key")}
			made[side] = append(made[side], e)
			h.logs[side] = append(h.logs[side], e)
		} else if other := made[1-side]; sent[side] < len(other) {
			h.logs[side] = append(h.logs[side], other[sent[side]])
			sent[side]++
		}
	}
	for ; sent[1] < len(made[0]); sent[1]++ { // the drain
		h.logs[1] = append(h.logs[1], made[0][sent[1]])
	}
	return h
}

// crossed is the keys of pairs of writes of which each stands before the other
// in the log of its own server, by comparing all with all.
func (h history) crossed() []int {
	before := func(log []logEvent, a, b logEvent) bool {
		at, bt := slices.Index(log, a), slices.Index(log, b)
		return at >= 0 && (bt < 0 || at < bt)
	}
	var keys []int
	for _, s := range h.logs[0] {
		for _, e := range h.logs[1] {
			if s.origin == 0 && e.origin == 1 && s.key == e.key && before(h.logs[0], s, e) && before(h.logs[1], e, s) {
				keys = append(keys, s.key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func TestConflictsAreThoseOfEveryPairOfWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		shape := &binlog.Table{Title: "app.t", Columns: []binlog.Column{{Name: "id", Kind: "int"}}, Keys: []binlog.Key{{Name: "PRIMARY", Columns: []binlog.KeyColumn{{At: 0}}}}}
		c := &conflictScan{of: 1, most: 100, report: &Report{}, keys: map[[16]byte]*keyWrites{}}
		for side, apply := range []func(touch){c.remember, c.hold} {
			var own, other uint64
			for _, e := range h.logs[side] {
				if e.origin != side {
					other++
					continue
				}
				own++
				apply(touch{table: shape, key: "PRIMARY", parts: []binlog.KeyPart{{Column: shape.Columns[0], Raw: []byte{byte('0' + e.key)}}}, nth: own, seen: other})
			}
		}
		var found []int
		for _, conflict := range c.report.Conflicts {
			found = append(found, int(conflict.Key[0]-'0'))
		}
		slices.Sort(found)
		require.Equal(t, h.crossed(), found)
	})
}

// Where the order of commits is not kept, counting proves nothing: every key of
// both sides is listed.
func TestConflictsWithoutOrderAreAllKeysOfBothSides(t *testing.T) {
	shape := &binlog.Table{Title: "app.t", Columns: []binlog.Column{{Name: "id", Kind: "int"}}}
	for _, unordered := range []bool{false, true} {
		c := &conflictScan{of: 1, most: 100, report: &Report{}, keys: map[[16]byte]*keyWrites{}, unordered: unordered}
		write := func(nth, seen uint64) touch {
			return touch{table: shape, key: "PRIMARY", parts: []binlog.KeyPart{{Column: shape.Columns[0], Raw: []byte("1")}}, nth: nth, seen: seen}
		}
		c.remember(write(1, 0))
		c.hold(write(1, 1)) // in turn
		require.Equal(t, map[bool]int64{false: 0, true: 1}[unordered], c.report.Found)
	}
	var log counted
	maria := func(domain uint32, n uint64) bool {
		return log.add(replication.GTID{Sequence: n, Domain: domain, Server: 7}, binlog.Origin{Server: 7, Domain: 3})
	}
	require.True(t, maria(3, 10))
	require.True(t, maria(3, 12), "a gap is no disorder")
	require.False(t, maria(3, 11))
	require.False(t, maria(4, 13), "a session's own domain has numbers of its own")
}

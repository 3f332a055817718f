package replication

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// memoryConflicts keeps windows and reports as the workspace does: as JSON.
type memoryConflicts struct{ window, report []byte }

func (m *memoryConflicts) ConflictWindow(context.Context, string) (w ConflictWindow, ok bool, err error) {
	if m.window == nil {
		return w, false, nil
	}
	return w, true, json.Unmarshal(m.window, &w)
}

func (m *memoryConflicts) SaveConflictWindow(_ context.Context, _ string, w *ConflictWindow) (err error) {
	if m.window = nil; w != nil {
		m.window, err = json.Marshal(w)
	}
	return err
}

func (m *memoryConflicts) ConflictReport(context.Context, string) (r ConflictReport, ok bool, err error) {
	if m.report == nil {
		return r, false, nil
	}
	return r, true, json.Unmarshal(m.report, &r)
}

func (m *memoryConflicts) SaveConflictReport(_ context.Context, r ConflictReport) (where string, err error) {
	m.report, err = json.Marshal(r)
	return "conflicts-main.json", err
}

// dualPair is a pair that is linked both ways, with a window open and both
// sides writable. tables are made on both sides, out of the binlog.
func dualPair(t *testing.T, flavor servertest.Flavor, tables []string, options ...servertest.Option) (*testPair, *memoryConflicts) {
	t.Helper()
	p := newTestPair(t, flavor, options...)
	for _, s := range []*servertest.Instance{p.source, p.target} {
		s.Exec(append([]string{"SET SESSION sql_log_bin = 0"}, tables...)...)
	}
	p.linked(t, true)
	// Both have logged something before: a position in each log.
	p.source.Exec("INSERT INTO app.notes VALUES (1, 'before')")
	p.settle(t, linkOp{p.Source, p.Target})
	p.target.Exec("UPDATE app.notes SET text = 'seen' WHERE id = 1")
	p.settle(t, linkOp{p.Target, p.Source})
	store := &memoryConflicts{}
	plantest.Exercise(t, OpenWindow(p.Pair, store))
	return p, store
}

// apart lets f run while neither side gets the other's writes.
func (p *testPair) apart(t *testing.T, f func()) {
	t.Helper()
	for _, s := range []*Server{p.Source, p.Target} {
		db, dialect, err := s.Open(t.Context())
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), dialect.StopReplica())
		require.NoError(t, err)
	}
	f()
	for _, s := range []*Server{p.Source, p.Target} {
		db, dialect, err := s.Open(t.Context())
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), dialect.StartReplica())
		require.NoError(t, err)
	}
}

func (p *testPair) exchange(t *testing.T) {
	t.Helper()
	p.settle(t, linkOp{p.Source, p.Target}, linkOp{p.Target, p.Source})
}

// conflicts fences the source and runs the gate.
func (p *testPair) conflicts(t *testing.T, store *memoryConflicts) ConflictReport {
	t.Helper()
	require.NoError(t, Fence(p.Source, FenceOptions{}).Op.Apply(t.Context()))
	began := time.Now()
	plantest.Exercise(t, Conflicts(p.Pair, Target, store, 10*time.Second))
	r, ok, err := store.ConflictReport(t.Context(), "main")
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, r.Complete)
	t.Logf("%s (the exercise took %s, the last report %s)", r.Summary(), time.Since(began), r.Took)
	for _, s := range []*servertest.Instance{p.source, p.target} {
		require.Equal(t, "0", s.Value("SELECT COUNT(*) FROM mysql.user WHERE User = ?", readerAccount(nil).name), "no account is left")
	}
	return r
}

func lines(r ConflictReport) []string {
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
		// In turn, over and over: never a conflict.
		for range 3 {
			p.source.Exec("UPDATE app.stock SET n = n + 1 WHERE shop = 1")
			p.settle(t, linkOp{p.Source, p.Target})
			p.target.Exec("UPDATE app.stock SET n = n + 1 WHERE shop = 1")
			p.settle(t, linkOp{p.Target, p.Source})
		}
		p.apart(t, func() {
			p.source.Exec("UPDATE app.stock SET n = n + 1 WHERE shop = 2", "INSERT INTO app.notes (id, text) VALUES (11, 's')")
			p.target.Exec("UPDATE app.stock SET n = n + 1 WHERE shop = 2 AND item = 'pen'", "INSERT INTO app.notes (id, text) VALUES (12, 't')")
		})
		p.exchange(t)
		r := p.conflicts(t, store)
		require.Equal(t, []string{"app.stock (2, 'pen') update/update"}, lines(r))
		require.EqualValues(t, 2, r.InTurn, "both rows of shop 1")
		require.EqualValues(t, 5, r.Wrote[0].Transactions)
		require.EqualValues(t, 3*2+2+1, r.Wrote[0].Rows)
		require.EqualValues(t, 5, r.Wrote[1].Transactions)
		require.Empty(t, r.Unsure)
		require.WithinDuration(t, time.Now(), r.Conflicts[0].Left.At, time.Minute)
		require.NotEqual(t, r.Conflicts[0].Left.GTID, r.Conflicts[0].Entered.GTID)
		_, err := ParseGTIDSet(map[servertest.Flavor]Flavor{servertest.MariaDB: MariaDB, servertest.MySQL: MySQL}[flavor], r.Conflicts[0].Left.GTID)
		require.NoError(t, err, "the coordinate is a GTID")
	})
}


package move

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/move/movetest"
	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/report"
)

// linkedPair is a pair of real servers with the forward link; the target is fenced.
func linkedPair(t *testing.T) (p replication.Pair, source, target *servertest.Instance) {
	t.Helper()
	source, target = servertest.StartTwo(t, servertest.MariaDB)
	server := func(s *servertest.Instance, side replication.Side) *replication.Server {
		out := replication.NewServer(replication.ServerConfig{
			Name: "db1 (" + string(side) + ")", Side: side, Network: "unix", Address: s.Socket, User: "root",
			Endpoint: func(context.Context) (replication.Endpoint, error) {
				return replication.Endpoint{Host: "127.0.0.1", Port: s.Port}, nil
			},
		})
		t.Cleanup(func() { _ = out.Close() })
		return out
	}
	p = replication.Pair{Name: "main", Source: server(source, replication.Source), Target: server(target, replication.Target)}
	require.NoError(t, link.Start(p.Source, p.Target).Op.Apply(t.Context()))
	target.Exec("SET GLOBAL read_only = 1")
	return p, source, target
}

func TestRepairIsJournaledAndAPartDoesNotCount(t *testing.T) {
	site, _ := movetest.Site(t)
	pair, source, target := linkedPair(t)
	site.Pairs = []replication.Pair{pair}
	v, reports := Verifier{site}, state.Verifies{Folder: site.State}
	_, err := v.Repair(t.Context(), RepairOptions{})
	var refused *verb.RefusedError
	require.ErrorAs(t, err, &refused)
	require.EqualError(t, err, "verify --repair does not fit here: not started")

	j, err := plan.OpenJournal(site.State.JournalPath(), "tester")
	require.NoError(t, err)
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), plan.Plan{Site: "blog", Kind: verb.Apply}, plan.RunOptions{}))
	require.NoError(t, j.Close())
	source.Exec("CREATE DATABASE s", "CREATE TABLE s.t (id INT PRIMARY KEY, v INT)", "INSERT INTO s.t VALUES (1,1),(2,2)")

	saved := func() verify.Report {
		r, ok, err := reports.LastVerify(t.Context(), "main")
		require.NoError(t, err)
		require.True(t, ok)
		return r
	}
	fresh := func() bool {
		seen, err := verify.Fresh(pair, replication.Source, reports, time.Hour).Op.Check(t.Context())
		require.NoError(t, err)
		return seen.Done
	}
	var shown []string
	_, err = v.Verify(t.Context(), VerifyOptions{Progress: func(pair string, p report.Progress) { shown = append(shown, pair+" "+p.What) }})
	require.NoError(t, err)
	require.Equal(t, []string{"main s.t"}, shown)
	require.True(t, fresh())
	whole := saved()
	_, err = v.Verify(t.Context(), VerifyOptions{Tables: []string{"s.t"}})
	require.NoError(t, err)
	require.Equal(t, whole, saved(), "a clean part takes the place of nothing")

	target.Exec("SET sql_log_bin = 0", "UPDATE s.t SET v = 9 WHERE id = 2")
	_, err = v.Verify(t.Context(), VerifyOptions{Tables: []string{"s.t"}})
	var differ *DifferenceError
	require.ErrorAs(t, err, &differ)
	require.Contains(t, report.Hint(err), "--repair")
	require.Equal(t, int64(1), saved().Found)
	require.False(t, fresh())

	_, err = v.Verify(t.Context(), VerifyOptions{Pair: "other"})
	require.ErrorAs(t, err, &refused)
	_, err = v.Verify(t.Context(), VerifyOptions{Tables: []string{"s.none"}})
	require.ErrorContains(t, err, "has no table s.none")

	var steps []string
	repaired, err := v.Repair(t.Context(), RepairOptions{
		VerifyOptions: VerifyOptions{Tables: []string{"s.t"}},
		Found:         func(r verify.Report) { steps = append(steps, r.Differences[0].String()) },
		Writes:        func(pair, text string) { steps = append(steps, pair+" "+text) },
	})
	require.NoError(t, err)
	require.Equal(t, []string{"s.t key 2: differs", "main s.t: key 2 is replaced"}, steps)
	require.Len(t, repaired, 1)
	require.Equal(t, []verify.RepairedRow{{Object: "s.t", Key: "2", What: "replaced"}}, repaired[0].Written)
	require.Equal(t, "2", target.Value("SELECT v FROM s.t WHERE id = 2"))
	text, err := os.ReadFile(site.State.JournalPath())
	require.NoError(t, err)
	require.Contains(t, string(text), "main: s.t: key 2 is replaced")
	require.False(t, fresh(), "the part that is clean now says nothing of the rest")
	_, err = v.Verify(t.Context(), VerifyOptions{})
	require.NoError(t, err)
	require.True(t, fresh())
}

package plans

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/move/movetest"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// serverPair is a pair of real servers on this machine.
func serverPair(t *testing.T) (p replication.Pair, source, target *servertest.Instance) {
	t.Helper()
	source, target = servertest.Start(t, servertest.MariaDB), servertest.Start(t, servertest.MariaDB)
	server := func(s *servertest.Instance, side replication.Side) *replication.Server {
		out := replication.NewServer(replication.ServerConfig{Name: "db1 (" + string(side) + ")", Side: side, Network: "unix", Address: s.Socket, User: "root"})
		t.Cleanup(func() { _ = out.Close() }) // says so when its server was killed
		return out
	}
	return replication.Pair{Name: "main", Source: server(source, replication.Source), Target: server(target, replication.Target)}, source, target
}

func TestFinishWithoutASource(t *testing.T) {
	site, _ := movetest.Site(t)
	pair, source, _ := serverPair(t)
	site.Pairs, site.Config.Cutover.Way = []replication.Pair{pair}, "dual"
	planner, err := New(site, way.All())
	require.NoError(t, err)
	finish := func(lost bool) ([]plan.Stage, error) {
		p, err := planner.Plan(t.Context(), verb.Finish, Options{SourceLost: lost})
		return p.Stages, err
	}
	stages, err := finish(false)
	require.NoError(t, err)
	require.Equal(t, []string{"drained", "links", "settings", "forget"}, movetest.Names(stages))
	require.Equal(t, "the increments of db1 (target) are again what they were before the move", stages[2].Steps[0].Summary)

	_, err = finish(true)
	var refused *verb.RefusedError
	require.ErrorAs(t, err, &refused, "while it answers")
	require.EqualError(t, err, "the source is not lost: db1 (source) answers")
	require.Contains(t, report.Hint(err), "without --source-lost")

	source.Kill()
	stages, err = finish(true)
	require.NoError(t, err)
	require.Equal(t, []string{"source-lost", "links", "settings", "forget"}, movetest.Names(stages))
	require.Equal(t, "db1 (source) does not answer, and is given up", stages[0].Steps[0].Summary)
	require.Contains(t, stages[0].Steps[0].Hazards[0].Text, "is lost")
	p := plan.Plan{Site: "blog", Kind: verb.Finish, Stages: stages}
	_, err = plan.Survey(t.Context(), p, time.Now())
	require.NoError(t, err)
	j, err := plan.OpenJournal(site.State.JournalPath(), "tester")
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	require.NoError(t, (&plan.Runner{Journal: j}).Run(t.Context(), p, plan.RunOptions{}))
	require.True(t, j.History().InForce(verb.Finish))
}

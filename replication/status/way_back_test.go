package status

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// The status, the plan of a rollback and the gate of a rollback say the same of the way
// back, whichever condition is broken.
func TestWayBackIsToldAlike(t *testing.T) { // I5
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		require.NoError(t, replicationtest.Apply(t, link.Start(p.Source, p.Target)))
		require.NoError(t, replicationtest.Apply(t, link.Start(p.Target, p.Source)))
		require.NoError(t, replicationtest.Apply(t, link.HeartbeatTable(p.Pair)))
		require.NoError(t, fence.Close(t.Context(), p.Source)) // the target is the writer
		needs := Needs{MaxLag: time.Minute, Heartbeat: true, OneWriter: true, Patience: time.Nanosecond}
		stop, start, reset, rename := "STOP SLAVE", "START SLAVE", "RESET SLAVE ALL", "RENAME TABLE migrate.heartbeat TO migrate.away"
		if flavor == servertest.MySQL {
			stop, start, reset = "STOP REPLICA", "START REPLICA", "RESET REPLICA ALL"
		}
		unhosted := p.Pair
		unhosted.Target = replicationtest.Server(t, p.TargetInstance, replication.Target, nil)
		on := func(s *servertest.Instance, statements ...string) func() { return func() { s.Exec(statements...) } }
		unlogged := func(s *replication.Server, statement string) func() {
			return func() {
				require.NoError(t, account.AsAdmin(t.Context(), s, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
					_, err := session.ExecContext(ctx, statement)
					return err
				}))
			}
		}
		for _, c := range []struct {
			name         string
			breaks, heal func()
			pair         replication.Pair
			needs        func(*Needs)
			missing      string // "" is nothing
			only         servertest.Flavor
		}{
			{name: "nothing", missing: ""},
			{name: "the forward link, which a rollback does not need", breaks: on(p.TargetInstance, stop), heal: on(p.TargetInstance, start), missing: ""},
			{name: "the reverse link has stopped", breaks: on(p.SourceInstance, stop), heal: on(p.SourceInstance, start), missing: "the reverse link has stopped"},
			{name: "the lag", needs: func(n *Needs) { n.MaxLag = -1 }, missing: "the reverse link does not keep up"},
			{
				name: "the heartbeat's table", breaks: unlogged(p.Source, rename), heal: unlogged(p.Source, "RENAME TABLE migrate.away TO migrate.heartbeat"),
				missing: "the table `migrate.heartbeat` is missing on " + p.Source.Name(),
			},
			{
				name: "both sides accept writes", breaks: func() { require.NoError(t, fence.Open(t.Context(), p.Source)) },
				heal: func() { require.NoError(t, fence.Close(t.Context(), p.Source)) }, missing: "both sides accept application writes",
			},
			{
				name: "an account writes through the fence", only: servertest.MariaDB,
				breaks: on(p.TargetInstance, "SET sql_log_bin = 0", "CREATE USER through@'%'", "GRANT READ_ONLY ADMIN ON *.* TO through@'%'"),
				heal:   on(p.TargetInstance, "SET sql_log_bin = 0", "DROP USER through@'%'"), missing: "through",
			},
			{name: "a machine cannot be reached", pair: unhosted, missing: "its host cannot be reached"},
			{name: "the target is down", breaks: p.TargetInstance.Kill, heal: p.TargetInstance.Restart, missing: "the target does not answer"},
			{name: "the source is down", breaks: p.SourceInstance.Kill, heal: p.SourceInstance.Restart, missing: "the source does not answer"},
			{name: "there is no reverse link", breaks: on(p.SourceInstance, stop, reset), missing: "there is no reverse link"},
		} {
			if c.only != "" && c.only != flavor {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				if c.breaks != nil {
					c.breaks()
				}
				if c.heal != nil {
					defer func() {
						c.heal()
						require.Eventually(t, func() bool {
							s := needs.Read(t.Context(), p.Pair)
							return s.Forward.Running && s.Reverse.Running
						}, 30*time.Second, 50*time.Millisecond)
					}()
				}
				pair, n := p.Pair, needs
				if c.pair.Name != "" {
					pair = c.pair
				}
				if c.needs != nil {
					c.needs(&n)
				}
				requireToldAlike(t, pair, n, c.missing)
			})
		}
	})
}

func requireToldAlike(t *testing.T, p replication.Pair, n Needs, missing string) {
	t.Helper()
	gate := n.WayBack(p)
	rollback := plan.Plan{Kind: "rollback", Stages: []plan.Stage{{Name: "gates", Steps: []plan.Step{gate}}}}
	shown := n.Read(t.Context(), p).Rollback
	review, err := plan.Survey(t.Context(), rollback, time.Now())
	require.NoError(t, err)
	j, err := plan.OpenJournal(filepath.Join(t.TempDir(), "journal.jsonl"), "tester")
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	ran := (&plan.Runner{Journal: j}).Run(t.Context(), rollback, plan.RunOptions{})
	if missing == "" {
		require.Empty(t, shown.Missing)
		require.True(t, shown.Ready)
		require.Equal(t, "open", review.Steps[0].Now)
		require.NoError(t, ran)
		return
	}
	require.False(t, shown.Ready)
	require.Contains(t, strings.Join(shown.Missing, "; "), missing)
	require.Contains(t, review.Steps[0].Now, missing)
	require.ErrorContains(t, ran, missing)
	require.Contains(t, review.Steps[0].Now, "NOT open")
}

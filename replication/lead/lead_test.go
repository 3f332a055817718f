package lead

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

func keep(t *testing.T, c Controller, p replication.Pair) error {
	t.Helper()
	_, err := c.Keep(t.Context(), p)
	return err
}

// requireRefused asks for a refusal that names the controller that leads.
func requireRefused(t *testing.T, err error, first Controller) *OtherError {
	t.Helper()
	var other *OtherError
	require.ErrorAs(t, err, &other)
	require.Equal(t, first.ID, other.Mark.ID)
	require.NotEmpty(t, report.Hint(err))
	return other
}

// One controller leads: every other state folder, and an old journal, is refused by name,
// until it takes over.
func TestOneControllerLeads(t *testing.T) { // I2, I10
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		first := Controller{Migration: "blog", ID: "one", Machine: "id a", Folder: "/srv/state", Who: "ann@laptop", Events: 7}
		require.NoError(t, first.Check(t.Context(), p.Pair), "nobody leads")
		require.NoError(t, keep(t, first, p.Pair))
		require.NoError(t, first.Check(t.Context(), p.Pair))

		others := map[string]func(c *Controller){
			"another state folder":              func(c *Controller) { c.ID = "two" },
			"a copy on another machine":         func(c *Controller) { c.Machine = "id b" },
			"a copy in another place":           func(c *Controller) { c.Folder = "/srv/copy" },
			"another migration":                 func(c *Controller) { c.Migration = "shop" },
			"the state folder lost, made anew":  func(c *Controller) { c.ID, c.Events = "", 0 },
			"an old copy of the journal":        func(c *Controller) { c.Events = 6 },
			"the journal lost, the folder kept": func(c *Controller) { c.Events = 0 },
		}
		for name, changed := range others {
			t.Run(name, func(t *testing.T) {
				c := first
				changed(&c)
				requireRefused(t, c.Check(t.Context(), p.Pair), first)
				requireRefused(t, keep(t, c, p.Pair), first)
			})
		}
		t.Run("a longer journal", func(t *testing.T) {
			later := first
			later.Events = 9
			require.NoError(t, keep(t, later, p.Pair))
			old := requireRefused(t, first.Check(t.Context(), p.Pair), first)
			require.True(t, old.Behind)
			first = later
		})
		second := first
		second.ID, second.Who, second.Events = "two", "bob@desk", 0
		t.Run("a mark on one side only", func(t *testing.T) {
			p.TargetInstance.Exec("SET sql_log_bin = 0", "DROP TABLE migrate.leader")
			requireRefused(t, second.Check(t.Context(), p.Pair), first)
			require.NoError(t, keep(t, first, p.Pair))
			m, ok, err := Read(t.Context(), p.Target)
			require.NoError(t, err)
			require.True(t, ok && m.is(first), "it is marked again")
		})
		t.Run("a side that does not answer", func(t *testing.T) {
			p.TargetInstance.Kill()
			requireRefused(t, second.Check(t.Context(), p.Pair), first)
			p.TargetInstance.Restart()
		})
		t.Run("a take-over with one side fenced", func(t *testing.T) {
			require.NoError(t, fence.Close(t.Context(), p.Target))
			require.NoError(t, second.TakeOver(t.Context(), p.Pair))
			state, err := fence.ReadRunning(t.Context(), p.Target)
			require.NoError(t, err)
			require.True(t, state.Closed, "the fence was not lifted")
			require.NoError(t, second.Check(t.Context(), p.Pair), "an older mark on a fenced side does not hold")
			require.NoError(t, keep(t, second, p.Pair))
			requireRefused(t, first.Check(t.Context(), p.Pair), second)
			m, _, err := Read(t.Context(), p.Target)
			require.NoError(t, err)
			require.Equal(t, flavor == servertest.MySQL, m.is(first), "only a mark that needs no fence lifted is written")
		})
		t.Run("both sides fenced", func(t *testing.T) {
			require.NoError(t, fence.Close(t.Context(), p.Source))
			err := first.TakeOver(t.Context(), p.Pair)
			if flavor == servertest.MySQL {
				require.ErrorContains(t, err, "no server of it can be marked")
			} else {
				require.NoError(t, err)
				require.NoError(t, second.TakeOver(t.Context(), p.Pair))
			}
			require.NoError(t, fence.Open(t.Context(), p.Source))
		})
		t.Run("the logs have nothing of it", func(t *testing.T) {
			for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
				require.NotContains(t, replicationtest.Rows(t, s.Root(), "SHOW BINLOG EVENTS"), "leader")
			}
		})
		t.Run("given back", func(t *testing.T) {
			require.NoError(t, fence.Open(t.Context(), p.Target))
			first.GiveBack(t.Context(), p.Pair)
			requireRefused(t, first.Check(t.Context(), p.Pair), second)
			require.NoError(t, keep(t, second, p.Pair))
			second.GiveBack(t.Context(), p.Pair)
			require.NoError(t, first.Check(t.Context(), p.Pair))
			require.Equal(t, "0", p.SourceInstance.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'migrate'"))
		})
	})
}

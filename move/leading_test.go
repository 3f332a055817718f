package move

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/move/movetest"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/lead"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// Two state folders of one migration: the second is refused in every verb that writes, and
// once it has taken over, the first in its next step and in its next undo (I2).
func TestTwoStateFoldersDoNotBothLead(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		at := func() *wiring.Site {
			site, _ := movetest.Site(t)
			site.Pairs = []replication.Pair{p.Pair}
			return site
		}
		refused := func(err error) {
			t.Helper()
			var other *lead.OtherError
			require.ErrorAs(t, err, &other)
		}
		one, two := at(), at()
		// begin begins a run, and asks what its next step and its next undo ask.
		begin := func(site *wiring.Site, takeOver bool, with func(*plan.Runner)) error {
			return site.State.Write(verb.Apply, nil, func(j *plan.Journal) error {
				run := &plan.Runner{Journal: j}
				err := leadership{site}.begin(t.Context(), run, verb.Apply, takeOver)
				if err == nil {
					with(run)
				}
				return err
			})
		}
		require.NoError(t, begin(one, false, func(run *plan.Runner) {
			require.NoError(t, leadership{two}.check(t.Context()), "nothing is marked before the first step")
			require.NoError(t, run.Allow(t.Context(), false))

			refused(begin(two, false, nil))
			limit := 3
			_, err := (&Seeds{two.Pairs, leadership{two}}).Throttle(t.Context(), "", control.LimitsChange{Workers: &limit})
			refused(err)
			require.NoError(t, run.Allow(t.Context(), false), "the first goes on")

			require.NoError(t, begin(two, true, func(run *plan.Runner) {
				require.NoError(t, run.Allow(t.Context(), false))
				require.NoError(t, run.Allow(t.Context(), true))
			}))
			refused(run.Allow(t.Context(), false))
			refused(run.Allow(t.Context(), true))
		}))
		j, err := plan.OpenJournal(one.State.JournalPath(), "tester")
		require.NoError(t, err)
		require.NoError(t, j.Append(plan.Event{Time: time.Now(), Kind: verb.Apply, Type: plan.RunFinished}))
		require.NoError(t, j.Close())
		_, err = (&Verifier{one}).Repair(t.Context(), RepairOptions{})
		refused(err)
		refused(begin(one, false, nil))

		require.NoError(t, leadership{one}.giveBack(t.Context()))
		refused(begin(one, false, nil))
		require.NoError(t, leadership{two}.giveBack(t.Context()))
		require.NoError(t, begin(one, false, func(*plan.Runner) {}))
	})
}

// Package move is one move as an operator handles it: reviews and runs of the plans,
// verify, status, runbook, and the seeds that run. It needs a configuration and the
// ways to cut over. It promises that a verb runs only where the move stands at it,
// under the lock, and by the plan that was reviewed. The rooms below it wire the
// configuration (wiring, state), and build the plans (plans, records, way).
package move

import (
	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/inventories"
	"github.com/dcmigrate/migrate/move/plans"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/move/wiring"
)

// Move is one migration. Nothing is connected until it is needed.
type Move struct {
	Inventory *inventories.Inventory
	Reviews   *Reviewer
	Runs      *Runner
	Verifies  *Verifier
	Seeds     *Seeds

	site  *wiring.Site
	plans *plans.Planner
}

// Open wires the move that cfg describes. Its way must be one of ways.
func Open(cfg *config.Config, ways way.Ways) (*Move, error) {
	site, err := wiring.Open(cfg)
	if err != nil {
		return nil, err
	}
	planner, err := plans.New(site, ways)
	if err != nil {
		return nil, err
	}
	return &Move{
		Inventory: inventories.Of(site),
		Reviews:   &Reviewer{site.State, planner},
		Runs:      &Runner{site.State, planner, leadership{site}},
		Verifies:  &Verifier{site},
		Seeds:     &Seeds{site.Pairs, leadership{site}},
		site:      site,
		plans:     planner,
	}, nil
}

// Close ends every connection.
func (m *Move) Close() error { return m.site.Close() }

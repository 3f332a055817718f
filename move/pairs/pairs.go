// Package pairs makes the steps that every pair of a move has. It needs the pairs, and
// promises one scheme for the names of these steps, PAIR:STEP: later verbs find
// them in the journal by it.
package pairs

import (
	"strings"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// Pairs are all pairs of a move, in the order of the configuration.
type Pairs []replication.Pair

// Steps makes one step for each pair.
func (ps Pairs) Steps(make func(replication.Pair) plan.Step) []plan.Step {
	var steps []plan.Step
	for _, p := range ps {
		steps = append(steps, Named(p, make(p)))
	}
	return steps
}

// ServerSteps makes one step for each server: first all sources, then all targets.
func (ps Pairs) ServerSteps(make func(*replication.Server) plan.Step) []plan.Step {
	return append(ps.Steps(func(p replication.Pair) plan.Step { return make(p.Source) }),
		ps.Steps(func(p replication.Pair) plan.Step { return make(p.Target) })...)
}

// Named puts the pair's name in front of the step's.
func Named(p replication.Pair, s plan.Step) plan.Step {
	s.Name = p.Name + ":" + strings.Replace(s.Name, "-"+p.Name, "", 1)
	return s
}

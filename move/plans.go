package move

import (
	"context"
	"fmt"
	"slices"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/replication"
)

// Plan builds the plan of a kind. It reads (the vendors' catalogues, the zones,
// the inventory, the journal) and changes nothing.
func (m *Move) Plan(ctx context.Context, kind string, o RunOptions) (plan.Plan, error) {
	if err := m.vendors(); err != nil {
		return plan.Plan{}, err
	}
	p := plan.Plan{Site: m.Config.Site, Kind: kind, Config: m.Config.Digest}
	var err error
	switch kind {
	case verb.Apply:
		p.Stages, err = m.applyStages(ctx, p)
	case verb.Cutover:
		p.Reverts = verb.Rollback
		p.Stages, err = m.cutoverStages(ctx)
	case verb.Rollback:
		p.Reverts, p.Final = verb.Cutover, true
		p.Stages, err = m.rollbackStages(ctx, o)
	case verb.Finish:
		p.Stages, err = m.finishStages(ctx)
	default:
		err = fmt.Errorf("there is no plan of kind %q", kind)
	}
	return p, err
}

// abandonPlan is a cutover as far as it may have come before the hand-over.
func (m *Move) abandonPlan() plan.Plan {
	return plan.Plan{Site: m.Config.Site, Kind: verb.Cutover, Config: m.Config.Digest, Reverts: verb.Rollback, Stages: m.abandonStages()}
}

// applyStages: all that comes before the cutover, in the order of DESIGN.md.
func (m *Move) applyStages(ctx context.Context, p plan.Plan) ([]plan.Stage, error) {
	site, err := m.site()
	if err != nil {
		return nil, err
	}
	made, err := provision.Stages(ctx, site, provision.Deps{Cloud: m.cloud, Hosts: m, Directory: m.directory})
	if err != nil {
		return nil, err
	}
	boot := 0
	for made[boot].Name != provision.StageFirstBoot {
		boot++
	}
	ttl, err := m.ttlStage(ctx)
	if err != nil {
		return nil, err
	}
	// Each part that works on what an earlier one makes says so until it is made.
	steps := m.pairs.Steps
	check := plan.Stage{Name: "preflight", Summary: "the sources can be moved", Steps: steps(func(pr replication.Pair) plan.Step {
		return replication.Preflight(pr, m.preflightOptions(pr, true))
	})}
	prepare := plan.Stage{Name: "databases", Summary: "both servers are fit to replicate; the target is fenced", Steps: append(
		steps(replication.ConfigureSource), steps(replication.ConfigureTarget)...)}
	match := plan.Stage{Name: "match", Summary: "the pairs fit together", Steps: steps(func(pr replication.Pair) plan.Step {
		return replication.Preflight(pr, m.preflightOptions(pr, false))
	})}
	seed := plan.Stage{Name: verb.StageSeed, Summary: "the first full copy", Steps: steps(m.seedBy)}
	forward := plan.Stage{Name: verb.StageForward, Summary: "one way: the target follows the source", Steps: steps(func(pr replication.Pair) plan.Step {
		return replication.Link(pr.Source, pr.Target)
	})}
	stages := []plan.Stage{check, ttl}
	stages = append(stages, made[:boot+1]...)
	stages = append(stages, m.afterStage(p, made[boot], []plan.Stage{prepare})...)
	stages = append(stages, m.afterStage(p, prepare, []plan.Stage{match, seed})...)
	stages = append(stages, m.afterStage(p, seed, []plan.Stage{forward})...)
	stages = append(stages, m.afterStage(p, forward, m.linkStages())...)
	return append(stages, m.afterStage(p, forward, made[boot+1:])...), nil
}

// linkStages are what follows the forward link: the way back, and what the way
// to cut over adds.
func (m *Move) linkStages() []plan.Stage {
	both := plan.Stage{Name: verb.StageReverse, Summary: "both ways: the source follows the target, which is still fenced", Steps: m.pairs.Steps(func(pr replication.Pair) plan.Step {
		return replication.Link(pr.Target, pr.Source)
	})}
	heartbeat := plan.Stage{Name: "heartbeat", Summary: "what lag is measured with", Steps: m.pairs.Steps(replication.HeartbeatTable)}
	increments := plan.Stage{Name: verb.StageIncrements, Summary: "generated keys of the two sides never meet", Steps: m.pairs.ServerSteps(replication.Increment)}
	return append([]plan.Stage{both, heartbeat, increments}, m.way.Linked(m.parts())...)
}

// database is a pair's entry in the configuration.
func (m *Move) database(p replication.Pair) config.Database {
	return m.Config.Databases[slices.IndexFunc(m.Config.Databases, func(d config.Database) bool { return d.Name == p.Name })]
}

// preflightOptions are what a pair's servers are looked at for.
func (m *Move) preflightOptions(p replication.Pair, sourceOnly bool) replication.PreflightOptions {
	o := replication.PreflightOptions{
		SourceOnly: sourceOnly, Admins: m.Config.Cutover.Admins, SeedRate: int64(m.database(p).Throttle.Rate),
	}
	m.way.Preflight(&o, m.Config.Cutover)
	return o
}

// seed is the first full copy of a pair, as its entry in databases[] wants it.
func (m *Move) seed(p replication.Pair) plan.Step {
	d := m.database(p)
	options := replication.SeedOptions{
		Workers: d.Throttle.Workers, BytesPerSecond: int64(d.Throttle.Rate), MostRunning: d.Throttle.ThreadsRunning,
		ReplicaLag: d.Throttle.ReplicaLag,
	}
	if d.RunOn == config.OnTarget {
		return replication.SeedOnTarget(p, options, seedWorker())
	}
	return replication.SeedWith(p, options)
}

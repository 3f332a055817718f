package move

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/config"
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
	case Apply:
		p.Stages, err = m.applyStages(ctx, p)
	case Cutover:
		p.Reverts = Rollback
		p.Stages, err = m.cutoverStages(ctx)
	case Rollback:
		p.Reverts, p.Final = Cutover, true
		p.Stages, err = m.rollbackStages(ctx, o)
	case Finish:
		p.Stages, err = m.finishStages(ctx)
	default:
		err = fmt.Errorf("there is no plan of kind %q", kind)
	}
	return p, err
}

// abandonPlan is a cutover as far as it may have come before the hand-over.
func (m *Move) abandonPlan() plan.Plan {
	return plan.Plan{Site: m.Config.Site, Kind: Cutover, Config: m.Config.Digest, Reverts: Rollback, Stages: m.abandonStages()}
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
	dual := m.Config.Cutover.Way == config.WayDual
	// Each part that works on what an earlier one makes says so until it is made.
	steps := func(make func(replication.Pair) plan.Step) []plan.Step { return m.perPair(make) }
	check := plan.Stage{Name: "preflight", Summary: "the sources can be moved", Steps: steps(func(pr replication.Pair) plan.Step {
		return replication.Preflight(pr, m.preflightOptions(pr, true))
	})}
	prepare := plan.Stage{Name: "databases", Summary: "both servers are fit to replicate; the target is fenced", Steps: append(
		steps(replication.ConfigureSource), steps(replication.ConfigureTarget)...)}
	match := plan.Stage{Name: "match", Summary: "the pairs fit together", Steps: steps(func(pr replication.Pair) plan.Step {
		return replication.Preflight(pr, m.preflightOptions(pr, false))
	})}
	seed := plan.Stage{Name: stageSeed, Summary: "the first full copy", Steps: steps(m.seedBy)}
	forward := plan.Stage{Name: stageForward, Summary: "one way: the target follows the source", Steps: steps(func(pr replication.Pair) plan.Step {
		return replication.Link(pr.Source, pr.Target)
	})}
	both := plan.Stage{Name: stageReverse, Summary: "both ways: the source follows the target, which is still fenced", Steps: steps(func(pr replication.Pair) plan.Step {
		return replication.Link(pr.Target, pr.Source)
	})}
	heartbeat := plan.Stage{Name: "heartbeat", Summary: "what lag is measured with", Steps: steps(replication.HeartbeatTable)}
	increments := plan.Stage{Name: stageIncrements, Summary: "generated keys of the two sides never meet", Steps: m.perServer(replication.Increment)}
	links := []plan.Stage{both, heartbeat, increments}
	if dual { // with one writer at a time, a session's old increment meets nothing
		links = append(links, plan.Stage{Name: "sessions", Summary: "no session uses the old increments any more", Steps: m.perServer(func(s *replication.Server) plan.Step {
			return replication.OldSessions(s, m.Config.Cutover.RecycleSessions)
		})})
	}

	stages := []plan.Stage{check, ttl}
	stages = append(stages, made[:boot+1]...)
	stages = append(stages, m.afterStage(p, made[boot], []plan.Stage{prepare})...)
	stages = append(stages, m.afterStage(p, prepare, []plan.Stage{match, seed})...)
	stages = append(stages, m.afterStage(p, seed, []plan.Stage{forward})...)
	stages = append(stages, m.afterStage(p, forward, links)...)
	return append(stages, m.afterStage(p, forward, made[boot+1:])...), nil
}

// database is a pair's entry in the configuration.
func (m *Move) database(p replication.Pair) config.Database {
	return m.Config.Databases[slices.IndexFunc(m.Config.Databases, func(d config.Database) bool { return d.Name == p.Name })]
}

// preflightOptions are what a pair's servers are looked at for.
func (m *Move) preflightOptions(p replication.Pair, sourceOnly bool) replication.PreflightOptions {
	o := replication.PreflightOptions{
		Dual: m.Config.Cutover.Way == config.WayDual, SourceOnly: sourceOnly, Admins: m.Config.Cutover.Admins,
		SeedRate: int64(m.database(p).Throttle.Rate),
	}
	if !o.Dual { // as handOver has it
		o.FenceWait = m.Config.Cutover.Budget / 4
	}
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

// perPair makes one step for each pair, with the pair's name in the step's.
func (m *Move) perPair(make func(replication.Pair) plan.Step) []plan.Step {
	var steps []plan.Step
	for _, p := range m.pairs {
		steps = append(steps, pairStep(p, make(p)))
	}
	return steps
}

// perServer makes one step for each server of each pair.
func (m *Move) perServer(make func(*replication.Server) plan.Step) []plan.Step {
	return append(m.perPair(func(p replication.Pair) plan.Step { return make(p.Source) }),
		m.perPair(func(p replication.Pair) plan.Step { return make(p.Target) })...)
}

// pairStep puts the pair's name in front of the step's.
func pairStep(p replication.Pair, s plan.Step) plan.Step {
	s.Name = p.Name + ":" + strings.Replace(s.Name, "-"+p.Name, "", 1)
	return s
}

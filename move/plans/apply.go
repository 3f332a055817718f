package plans

import (
	"context"
	"slices"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/inventories"
	"github.com/dcmigrate/migrate/move/records"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/parity"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/preflight"
	"github.com/dcmigrate/migrate/replication/setting"
)

// apply returns the stages of everything that comes before the cutover: the new hosts
// are made, the databases seeded and linked both ways, then files copied and
// services started. A step whose Check needs what an earlier stage makes waits for
// that stage (see afterStage).
func (p *Planner) apply(ctx context.Context, r *records.Records) ([]plan.Stage, error) {
	hosts, err := p.newHosts(ctx, r)
	if err != nil {
		return nil, err
	}
	ttl, err := r.LowerTTLs(ctx)
	if err != nil {
		return nil, err
	}
	steps := p.site.Pairs.Steps
	check := plan.Stage{Name: "preflight", Summary: "the sources can be moved", Steps: steps(func(pr replication.Pair) plan.Step {
		return preflight.Step(pr, p.preflight(pr, true))
	})}
	prepare := plan.Stage{Name: "databases", Summary: "both servers are fit to replicate; the target is fenced", Steps: append(
		steps(setting.ConfigureSource), steps(setting.ConfigureTarget)...)}
	borders := plan.Stage{Name: "borders", Summary: "nothing but what is moved lives on the servers", Steps: steps(preflight.Borders)}
	match := plan.Stage{Name: "match", Summary: "the pairs fit together", Steps: steps(func(pr replication.Pair) plan.Step {
		return preflight.Step(pr, p.preflight(pr, false))
	})}
	seed := plan.Stage{Name: verb.StageSeed, Summary: "the first full copy", Steps: steps(func(pr replication.Pair) plan.Step {
		return seedOf(pr, p.database(pr))
	})}
	forward := plan.Stage{Name: verb.StageForward, Summary: "one way: the target follows the source", Steps: steps(func(pr replication.Pair) plan.Step {
		return link.Start(pr.Source, pr.Target)
	})}
	boot := slices.IndexFunc(hosts, func(s plan.Stage) bool { return s.Name == provision.StageFirstBoot })
	return slices.Concat(
		[]plan.Stage{check, ttl}, hosts[:boot+1],
		p.afterStage(hosts[boot], borders),
		p.afterStage(borders, prepare),
		p.afterStage(prepare, match, seed),
		p.afterStage(seed, forward),
		p.afterStage(forward, p.links()...),
		p.afterStage(forward, hosts[boot+1:]...),
	), nil
}

// newHosts returns the stages that make the new site from the inventory.
func (p *Planner) newHosts(ctx context.Context, r *records.Records) ([]plan.Stage, error) {
	captured, err := inventories.Of(p.site).Hosts()
	if err != nil {
		return nil, err
	}
	cloud, err := p.site.Cloud()
	if err != nil {
		return nil, err
	}
	site, err := inventories.NewSite(p.site.Config, captured)
	if err != nil {
		return nil, err
	}
	deps := provision.Deps{Cloud: cloud, Hosts: p.site, Directory: p.site.Directory, Serves: r.RequireUnled}
	hosts, err := provision.Stages(ctx, site, deps)
	return append(hosts, parity.Stages(site, deps)...), err
}

// links returns the stages after the forward link: the reverse link, and what the way
// to cut over adds.
func (p *Planner) links() []plan.Stage {
	reverse := plan.Stage{Name: verb.StageReverse, Summary: "both ways: the source follows the target, which is still fenced", Steps: p.site.Pairs.Steps(func(pr replication.Pair) plan.Step {
		return link.Start(pr.Target, pr.Source)
	})}
	heartbeat := plan.Stage{Name: "heartbeat", Summary: "what lag is measured with", Steps: p.site.Pairs.Steps(link.HeartbeatTable)}
	increments := plan.Stage{Name: verb.StageIncrements, Summary: "generated keys of the two sides never meet", Steps: p.site.Pairs.ServerSteps(link.Increment)}
	return append([]plan.Stage{reverse, heartbeat, increments}, p.way.Linked(p.parts())...)
}

// preflight says what a pair's servers are examined for.
func (p *Planner) preflight(pr replication.Pair, sourceOnly bool) preflight.Options {
	c := p.site.Config.Cutover
	o := preflight.Options{SourceOnly: sourceOnly, Image: p.imageOf(pr), Admins: c.Admins, SeedRate: int64(p.database(pr).Throttle.Rate)}
	p.way.Preflight(&o, c)
	return o
}

// imageOf is the image that the pair's new host is made from; "" if it is not known yet.
func (p *Planner) imageOf(pr replication.Pair) string {
	c := p.site.Config
	captured, err := inventories.Of(p.site).Hosts()
	if err != nil {
		return c.Provision.DigitalOcean.Image // the stages of the new hosts say what is wrong
	}
	name := p.database(pr).Host
	for _, h := range captured {
		if h.Name == name {
			return inventories.ImageOf(c, h)
		}
	}
	return c.Provision.DigitalOcean.Image
}

// database is a pair's entry in the configuration.
func (p *Planner) database(pr replication.Pair) config.Database {
	all := p.site.Config.Databases
	return all[slices.IndexFunc(all, func(d config.Database) bool { return d.Name == pr.Name })]
}

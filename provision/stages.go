package provision

import (
	"context"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
)

// Names of the stages, in their order. Those of the databases, then those of package
// parity come after StageFirstBoot.
const (
	StageNetwork   = "network"
	StageFirewall  = "firewall"
	StageDroplets  = "droplets"
	StageFirstBoot = "first-boot"
)

// Hosts reaches the hosts of both sites.
type Hosts interface {
	Source(name string) remote.Host
	// Target is the host's clone. Its address and host key come from the
	// Directory each time it connects, because they are known late.
	Target(name string) remote.Host
}

// Deps are what the steps work with.
type Deps struct {
	Cloud     Cloud
	Hosts     Hosts
	Directory *Directory
	// Interval is how often something that takes a while is asked for; 0 is 2 s.
	Interval time.Duration
}

// Every is Interval, or its default.
func (d Deps) Every() time.Duration {
	if d.Interval == 0 {
		return 2 * time.Second
	}
	return d.Interval
}

// Stages returns the plan's part that makes the new hosts; parity has the part that
// makes them serve. It asks the vendor for its sizes and changes nothing.
func Stages(ctx context.Context, site Site, d Deps) ([]plan.Stage, error) {
	if err := site.Validate(); err != nil {
		return nil, fmt.Errorf("the new site: %w", err)
	}
	choices, err := chooseSizes(ctx, d.Cloud, site)
	if err != nil {
		return nil, err
	}
	key, err := NewSSHKey(d.Cloud, site)
	if err != nil {
		return nil, err
	}
	return []plan.Stage{
		{
			Name: StageNetwork, Summary: "the account's part: key, private network, tags",
			Steps: []plan.Step{key, NewVPC(d.Cloud, site, d.Every()), NewTags(d.Cloud, site)},
		},
		{
			Name: StageFirewall, Summary: "who may reach the new hosts, in force before they start",
			Steps: NewFirewalls(d.Cloud, site, d.Every()),
		},
		{
			Name: StageDroplets, Summary: "the new hosts, answering over SSH with known host keys",
			Steps: []plan.Step{NewDroplets(site, choices, d)},
		},
		{Name: StageFirstBoot, Summary: "packages installed, services enabled", Steps: firstBoots(site, d)},
	}, nil
}

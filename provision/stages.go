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
	StageAddresses = "addresses" // with reserved IPs only
	StageFirstBoot = "first-boot"
)

// Hosts connects to the hosts of both sites.
type Hosts interface {
	Source(name string) remote.Host
	// Target returns the host's clone. The clone reads its address and host key from
	// the Directory each time it connects, because they are known late.
	Target(name string) remote.Host
}

// Deps is what the steps need besides the site.
type Deps struct {
	Cloud     Cloud
	Hosts     Hosts
	Directory *Directory
	// Serves returns an error if clients are led to one of the hosts, so that it must
	// not be deleted; nil asks nobody.
	Serves func(context.Context, []Host) error
	// Interval is the pause between two polls; 0 is 2 s.
	Interval time.Duration
}

// PollInterval returns Interval, or 2 s if it is 0.
func (d Deps) PollInterval() time.Duration {
	if d.Interval == 0 {
		return 2 * time.Second
	}
	return d.Interval
}

// Stages returns the stages that make the new hosts. It asks the vendor for its sizes
// and changes nothing. Package parity has the stages that make the hosts serve.
func Stages(ctx context.Context, site Site, d Deps) ([]plan.Stage, error) {
	if err := site.validate(); err != nil {
		return nil, fmt.Errorf("the new site: %w", err)
	}
	choices, err := chooseSizes(ctx, d.Cloud, site)
	if err != nil {
		return nil, err
	}
	images, err := chooseImages(ctx, d.Cloud, site, choices)
	if err != nil {
		return nil, err
	}
	key, err := newSSHKey(d.Cloud, site)
	if err != nil {
		return nil, err
	}
	volumes, err := volumeSteps(d.Cloud, site, choices, d.PollInterval())
	if err != nil {
		return nil, err
	}
	stages := []plan.Stage{
		{
			Name: StageNetwork, Summary: "the account's part: key, private network, tags",
			Steps: append([]plan.Step{key, newVPC(d.Cloud, site, d.PollInterval()), newTags(d.Cloud, site)}, volumes...),
		},
		{
			Name: StageFirewall, Summary: "who may reach the new hosts, in force before they start",
			Steps: newFirewalls(d.Cloud, site, d.PollInterval()),
		},
		{
			Name: StageDroplets, Summary: "the new hosts, answering over SSH with known host keys",
			Steps: []plan.Step{newDroplets(site, choices, images, d)},
		},
	}
	stages = append(stages, reservedStages(site, d)...)
	return append(stages, plan.Stage{Name: StageFirstBoot, Summary: "packages installed, services enabled", Steps: firstBootSteps(site, d)}), nil
}

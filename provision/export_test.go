package provision

import (
	"context"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/plan"
)

// BootstrapPath is where the first host key is kept.
var BootstrapPath = bootstrapPath

// SetCreateBudget sets how long the droplets' step waits for the vendor.
func SetCreateBudget(step plan.Step, d time.Duration) { step.Op.(*dropletsOp).createBudget = d }

// CreateDroplets makes the droplets of the step and waits until the vendor has started them.
func CreateDroplets(ctx context.Context, step plan.Step) error {
	op := step.Op.(*dropletsOp)
	found, err := op.find(ctx)
	if err == nil {
		err = op.checkLimit(ctx, len(op.site.Hosts)-len(found))
	}
	if err == nil {
		err = op.create(ctx, found)
	}
	if err == nil {
		_, err = op.waitForStart(ctx)
	}
	return err
}

// CreateOneByOne makes them with one call each, one after the other, and asks for each alone.
func CreateOneByOne(ctx context.Context, step plan.Step, ready func(context.Context, int) (bool, error)) error {
	op := step.Op.(*dropletsOp)
	vpc, _, err := findVPC(ctx, op.cloud, op.site.resourceName())
	if err != nil {
		return err
	}
	key, err := ensureBootstrap(op.directory.folder)
	if err != nil {
		return err
	}
	requests, err := op.requests(nil, vpc.ID, key, nil)
	if err != nil {
		return err
	}
	var made []Droplet
	for _, r := range requests {
		for one := range slices.Chunk(r.Names, 1) {
			r.Names = one
			some, err := op.cloud.CreateDroplets(ctx, r)
			if err != nil {
				return err
			}
			made = append(made, some...)
		}
	}
	for _, d := range made {
		if err := Poll(ctx, op.interval, func(ctx context.Context) (bool, error) { return ready(ctx, d.ID) }); err != nil {
			return err
		}
	}
	return nil
}

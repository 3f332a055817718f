package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// ErrInUse says that a VPC cannot be deleted because it still has members.
var ErrInUse = errors.New("still in use")

// vpcDrainTimeout limits Undo's wait until deleted droplets have left the VPC.
const vpcDrainTimeout = 2 * time.Minute

// vpcOp makes the migration's own private network.
type vpcOp struct {
	cloud    Networks
	want     VPC
	site     Site
	interval time.Duration
}

// newVPC returns the step that makes the site's VPC. interval is the pause between
// Undo's attempts to delete it.
func newVPC(cloud Networks, site Site, interval time.Duration) plan.Step {
	want := VPC{Name: site.resourceName(), Region: site.Region, Range: site.VPCRange, Description: "made by migrate for " + site.Name}
	return plan.Step{
		Name:    "vpc",
		Summary: "make VPC " + want.String(),
		Op:      &vpcOp{cloud, want, site, interval},
	}
}

// String describes the VPC in one line.
func (v VPC) String() string {
	addresses := "a range chosen by the vendor"
	if v.Range.IsValid() {
		addresses = v.Range.String()
	}
	return fmt.Sprintf("%s in %s, %s", v.Name, v.Region, addresses)
}

// findVPC returns the site's VPC by its name, which is unique in the account.
func findVPC(ctx context.Context, cloud Networks, name string) (VPC, bool, error) {
	all, err := cloud.VPCs(ctx)
	if err != nil {
		return VPC{}, false, fmt.Errorf("list VPCs: %w", err)
	}
	i := slices.IndexFunc(all, func(v VPC) bool { return v.Name == name })
	if i < 0 {
		return VPC{}, false, nil
	}
	return all[i], true, nil
}

// find returns the site's VPC. It is an error if it, or the wanted range, cannot serve.
func (op *vpcOp) find(ctx context.Context) (VPC, bool, error) {
	all, err := op.cloud.VPCs(ctx)
	if err != nil {
		return VPC{}, false, fmt.Errorf("list VPCs: %w", err)
	}
	i := slices.IndexFunc(all, func(v VPC) bool { return v.Name == op.want.Name })
	if i < 0 {
		return VPC{}, false, freeRange(op.want.Range, all)
	}
	found := all[i]
	if found.Region != op.want.Region || op.want.Range.IsValid() && found.Range != op.want.Range {
		return found, false, report.WithHint(fmt.Errorf("the account has a VPC %s, but the site wants %s", found, op.want),
			"run migrate rollback --all with the earlier configuration, or choose another id")
	}
	return found, true, nil
}

func (op *vpcOp) Check(ctx context.Context) (plan.State, error) {
	found, ok, err := op.find(ctx)
	if err == nil && ok {
		err = op.rangeServes(found)
	}
	if err != nil {
		return plan.State{}, err
	}
	s := plan.State{Done: ok && !found.Default, Now: "no VPC " + op.want.Name, Want: op.want.String()}
	if ok {
		s.Now = found.String()
	}
	if found.Default {
		s.Now += ", the region's default"
	}
	s.Before, err = json.Marshal(existed{ok})
	return s, err
}

// Apply makes the VPC. If it is its region's first, the vendor makes it the default, which
// cannot be deleted and takes in every droplet that names no VPC: another VPC becomes the
// default in its place.
func (op *vpcOp) Apply(ctx context.Context) error {
	found, ok, err := op.find(ctx)
	if err != nil {
		return err
	}
	if !ok {
		if err := op.cloud.CreateVPC(ctx, op.want); err != nil {
			return fmt.Errorf("make VPC: %w", err)
		}
		if found, ok, err = op.find(ctx); err != nil || !ok {
			return errors.Join(err, op.missing(ok))
		}
	}
	if err := op.handOverDefault(ctx, found); err != nil {
		return err
	}
	unfit := op.rangeServes(found)
	if unfit == nil {
		return nil
	}
	return errors.Join(unfit, op.delete(ctx, found)) // nothing stands in it yet
}

func (op *vpcOp) Verify(ctx context.Context) error {
	found, ok, err := op.find(ctx)
	if err == nil {
		err = op.missing(ok)
	}
	if err == nil && found.Default {
		err = fmt.Errorf("VPC %s is still the default of %s", found.Name, found.Region)
	}
	return err
}

func (op *vpcOp) missing(found bool) error {
	if found {
		return nil
	}
	return fmt.Errorf("VPC %s is not there", op.want.Name)
}

// handOverDefault makes another VPC the default of v's region if v is it: the one that
// has the vendor's own name for a default. It stays, also after a rollback: the vendor
// makes one at the region's first droplet anyway.
func (op *vpcOp) handOverDefault(ctx context.Context, v VPC) error {
	if !v.Default {
		return nil
	}
	want := VPC{Name: "default-" + v.Region, Region: v.Region}
	find := func() (VPC, bool, error) {
		other, ok, err := findVPC(ctx, op.cloud, want.Name)
		if err == nil && ok && other.Region != v.Region {
			err = report.WithHint(fmt.Errorf("VPC %s is the default of %s, and the name %s is taken by a VPC in %s", v.Name, v.Region, want.Name, other.Region),
				"make another VPC of %s its default in the control panel", v.Region)
		}
		return other, ok, err
	}
	other, ok, err := find()
	if err != nil {
		return err
	}
	if !ok {
		if err := op.cloud.CreateVPC(ctx, want); err != nil {
			return fmt.Errorf("make VPC %s: %w", want.Name, err)
		}
		if other, ok, err = find(); err != nil || !ok {
			return errors.Join(err, fmt.Errorf("VPC %s is not there", want.Name))
		}
	}
	if err := op.cloud.SetDefaultVPC(ctx, other.ID); err != nil {
		return fmt.Errorf("make VPC %s the default of %s: %w", other.Name, other.Region, err)
	}
	report.Note(ctx, "VPC %s is the default of %s now, in place of %s: a default cannot be deleted. It is empty and costs nothing, and a rollback leaves it", other.Name, other.Region, v.Name)
	return nil
}

func (op *vpcOp) Undo(ctx context.Context, before json.RawMessage) error {
	was, err := ReadBefore[existed](before)
	if err != nil || was.Existed {
		return err
	}
	found, ok, err := findVPC(ctx, op.cloud, op.want.Name)
	if err != nil || !ok {
		return err
	}
	if err := op.handOverDefault(ctx, found); err != nil {
		return err
	}
	return op.delete(ctx, found)
}

// delete deletes the VPC, once deleted droplets have left it.
func (op *vpcOp) delete(ctx context.Context, found VPC) error {
	wait, cancel := context.WithTimeout(ctx, vpcDrainTimeout)
	defer cancel()
	noted := false
	err := Poll(wait, op.interval, func(ctx context.Context) (bool, error) {
		err := op.cloud.DeleteVPC(ctx, found.ID)
		if !errors.Is(err, ErrInUse) {
			return err == nil, err
		}
		if !noted {
			report.Note(ctx, "VPC %s still has members; waiting for the vendor to let go of them", found.Name)
			noted = true
		}
		return false, nil
	})
	if errors.Is(err, ErrInUse) || errors.Is(err, context.DeadlineExceeded) {
		return report.WithHint(fmt.Errorf("delete VPC %s: %w", found.Name, err), "something that is not ours may be in it: see the control panel")
	}
	return report.Wrap("delete VPC "+found.Name, err)
}

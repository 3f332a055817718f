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
	interval time.Duration
}

// newVPC returns the step that makes the site's VPC. interval is the pause between
// Undo's attempts to delete it.
func newVPC(cloud Networks, site Site, interval time.Duration) plan.Step {
	want := VPC{Name: site.resourceName(), Region: site.Region, Range: site.VPCRange, Description: "made by migrate for " + site.Name}
	return plan.Step{
		Name:    "vpc",
		Summary: "make VPC " + want.String(),
		Op:      &vpcOp{cloud, want, interval},
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

func (op *vpcOp) find(ctx context.Context) (VPC, bool, error) {
	found, ok, err := findVPC(ctx, op.cloud, op.want.Name)
	if err != nil || !ok {
		return found, false, err
	}
	if found.Region != op.want.Region || op.want.Range.IsValid() && found.Range != op.want.Range {
		return found, false, report.WithHint(fmt.Errorf("the account has a VPC %s, but the site wants %s", found, op.want),
			"run migrate rollback --all with the earlier configuration, or choose another id")
	}
	return found, true, nil
}

func (op *vpcOp) Check(ctx context.Context) (plan.State, error) {
	found, ok, err := op.find(ctx)
	if err != nil {
		return plan.State{}, err
	}
	s := plan.State{Done: ok, Now: "no VPC " + op.want.Name, Want: op.want.String()}
	if ok {
		s.Now = found.String()
	}
	s.Before, err = json.Marshal(existed{ok})
	return s, err
}

func (op *vpcOp) Apply(ctx context.Context) error {
	if _, ok, err := op.find(ctx); err != nil || ok {
		return err
	}
	if err := op.cloud.CreateVPC(ctx, op.want); err != nil {
		return fmt.Errorf("make VPC: %w", err)
	}
	return nil
}

func (op *vpcOp) Verify(ctx context.Context) error {
	_, ok, err := op.find(ctx)
	if err == nil && !ok {
		err = fmt.Errorf("VPC %s is not there", op.want.Name)
	}
	return err
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
	wait, cancel := context.WithTimeout(ctx, vpcDrainTimeout)
	defer cancel()
	noted := false
	err = Poll(wait, op.interval, func(ctx context.Context) (bool, error) {
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
	if err != nil {
		return report.WithHint(fmt.Errorf("delete VPC %s: %w", found.Name, err), "something that is not ours may be in it: see the control panel")
	}
	return nil
}

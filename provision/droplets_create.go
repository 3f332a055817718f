package provision

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/report"
)

// settle is how long an unclear create is left alone before the lists are asked
// again: the vendor may still be at it.
const settle = 3 * time.Second

// Apply makes what is missing, waits until the vendor has started it, records
// it, and replaces the host keys. Each of these looks first.
func (op *dropletsOp) Apply(ctx context.Context) error {
	found, err := op.find(ctx)
	if err != nil {
		return err
	}
	if err := op.checkLimit(ctx, len(op.site.Hosts)-len(found)); err != nil {
		return err
	}
	if err := op.create(ctx, found); err != nil {
		return err
	}
	if found, err = op.started(ctx); err != nil {
		return err
	}
	if err := op.record(found); err != nil {
		return err
	}
	return op.trustAll(ctx)
}

// create asks for the missing droplets in as few calls as possible.
func (op *dropletsOp) create(ctx context.Context, found map[string]Droplet) error {
	if len(found) == len(op.site.Hosts) {
		return nil
	}
	vpc, ok, err := findVPC(ctx, op.cloud, op.site.resourceName())
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("make droplets: VPC %s is not there", op.site.resourceName())
	}
	key, err := ensureBootstrap(op.directory.folder)
	if err != nil {
		return err
	}
	requests, err := op.requests(found, vpc.ID, key)
	if err != nil {
		return err
	}
	for _, r := range requests {
		if err := op.cloud.CreateDroplets(ctx, r); err != nil {
			err = fmt.Errorf("make droplets %s: %w", strings.Join(r.Names, ", "), err)
			var transient *report.TransientError
			if errors.As(err, &transient) {
				return report.Transient(err, max(settle, transient.After))
			}
			return err
		}
	}
	return nil
}

// requests groups the missing hosts that differ in nothing but their name.
func (op *dropletsOp) requests(found map[string]Droplet, vpc string, key bootstrapKey) ([]DropletRequest, error) {
	public, err := op.site.publicKey()
	if err != nil {
		return nil, err
	}
	var out []DropletRequest
	for _, h := range op.site.Hosts {
		if _, ok := found[h.Name]; ok {
			continue
		}
		userData, err := op.site.userData(h, key).Render()
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", h.Name, err)
		}
		r := DropletRequest{
			Region: op.site.Region, Size: op.choices[h.Name].Size.Slug, Image: op.site.Image, VPC: vpc,
			Tags: op.hostTags(h), KeyFingerprint: ssh.FingerprintLegacyMD5(public), UserData: userData,
		}
		i := slices.IndexFunc(out, func(o DropletRequest) bool { return len(o.Names) < MaxDropletNames && o.same(r) })
		if i < 0 {
			out = append(out, r)
			i = len(out) - 1
		}
		out[i].Names = append(out[i].Names, h.Name)
	}
	return out, nil
}

func (op *dropletsOp) hostTags(h HostSpec) []string {
	tags := []string{op.site.Tag()}
	for _, r := range slices.Compact(slices.Sorted(slices.Values(h.Roles))) {
		tags = append(tags, op.site.roleTag(r))
	}
	return tags
}

// same reports whether two requests differ in nothing but their names.
func (r DropletRequest) same(o DropletRequest) bool {
	return r.Region == o.Region && r.Size == o.Size && r.Image == o.Image && r.VPC == o.VPC &&
		r.KeyFingerprint == o.KeyFingerprint && r.UserData == o.UserData && slices.Equal(r.Tags, o.Tags)
}

// started waits until every droplet is active and has its addresses.
func (op *dropletsOp) started(ctx context.Context) (map[string]Droplet, error) {
	wait, cancel := context.WithTimeout(ctx, op.createBudget)
	defer cancel()
	var found map[string]Droplet
	var late []string
	err := Poll(wait, op.interval, func(ctx context.Context) (bool, error) {
		var err error
		if found, err = op.find(ctx); err != nil {
			return false, err
		}
		late = late[:0]
		for _, h := range op.site.Hosts {
			d, ok := found[h.Name]
			switch {
			case !ok:
				late = append(late, h.Name+" (not listed)")
			case d.Status != StatusActive || !d.Public.IsValid() || !d.Private.IsValid():
				late = append(late, h.Name+" ("+d.Status+")")
			}
		}
		total := len(op.site.Hosts)
		report.Show(ctx, report.Progress{Done: int64(total - len(late)), Total: int64(total), Unit: "droplets"})
		return len(late) == 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, report.WithHint(fmt.Errorf("droplets did not start within %s: %s", op.createBudget, strings.Join(late, ", ")),
			"look at them in the control panel, then run the command again")
	}
	return found, err
}

// record writes the droplets into the directory, with the host key that each
// must show. A machine that is on record keeps its key.
func (op *dropletsOp) record(found map[string]Droplet) error {
	key, err := loadBootstrap(op.directory.folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	hosts := make([]Machine, 0, len(found))
	for _, d := range found {
		m, err := op.directory.Lookup(d.Name)
		if err != nil || m.Droplet != d.ID {
			m = Machine{Name: d.Name, Droplet: d.ID}
			m.HostKey, m.Bootstrap = op.directory.remembered(d.Public)
		}
		if m.HostKey == "" {
			m.HostKey, m.Bootstrap = key.Public, true
		}
		if m.HostKey == "" {
			return report.WithHint(fmt.Errorf("the host key of droplet %s (%d) is not on record", d.Name, d.ID),
				"put back %s, or delete the droplet and run the command again", op.directory.KnownHosts())
		}
		m.Public, m.Private = d.Public, d.Private
		hosts = append(hosts, m)
	}
	return op.directory.Record(hosts...)
}

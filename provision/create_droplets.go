package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/report"
)

// unclearCreatePause is the wait after a create with an unclear outcome, before the
// lists are read again: the vendor may still be making the droplets.
const unclearCreatePause = 3 * time.Second

// Apply makes the missing droplets, waits until the vendor has started them, records
// them, and replaces their host keys. Each of these first checks what is done already.
func (op *dropletsOp) Apply(ctx context.Context) error {
	found, err := op.find(ctx)
	if err != nil {
		return err
	}
	if err := op.created.adopt(slices.Collect(maps.Values(found))); err != nil {
		return err
	}
	if err := op.checkLimit(ctx, len(op.site.Hosts)-len(found)); err != nil {
		return err
	}
	if err := op.create(ctx, found); err != nil {
		return err
	}
	if found, err = op.waitForStart(ctx); err != nil {
		return err
	}
	if err := op.created.adopt(slices.Collect(maps.Values(found))); err != nil {
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
		if err := op.createSome(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// createSome sends one request. It is recorded before it is sent, and so is what it made.
func (op *dropletsOp) createSome(ctx context.Context, r DropletRequest) error {
	if err := op.created.ask(r, time.Now()); err != nil {
		return err
	}
	made, err := op.cloud.CreateDroplets(ctx, r)
	if err == nil {
		return op.created.made(made)
	}
	err = fmt.Errorf("make droplets %s: %w", strings.Join(r.Names, ", "), err)
	if errors.Is(err, ErrNothingMade) {
		return errors.Join(err, op.created.refused())
	}
	var transient *report.TransientError
	if errors.As(err, &transient) {
		return report.Transient(err, max(unclearCreatePause, transient.After))
	}
	return err
}

// requests returns the requests for the missing hosts. Hosts that differ only in their
// name share a request.
func (op *dropletsOp) requests(found map[string]Droplet, vpc string, key bootstrapKey) ([]DropletRequest, error) {
	public, err := op.site.publicKey()
	if err != nil {
		return nil, err
	}
	var list []DropletRequest
	for _, h := range op.site.Hosts {
		if _, ok := found[h.Name]; ok {
			continue
		}
		text, err := op.site.userData(h, key).render()
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", h.Name, err)
		}
		r := DropletRequest{
			Region: op.site.Region, Size: op.choices[h.Name].Size.Slug, Image: op.site.Image, VPC: vpc,
			Tags: op.hostTags(h), KeyFingerprint: ssh.FingerprintLegacyMD5(public), UserData: text,
		}
		i := slices.IndexFunc(list, func(o DropletRequest) bool { return len(o.Names) < maxDropletNames && o.sameButNames(r) })
		if i < 0 {
			list = append(list, r)
			i = len(list) - 1
		}
		list[i].Names = append(list[i].Names, h.Name)
	}
	return list, nil
}

func (op *dropletsOp) hostTags(h HostSpec) []string {
	tags := []string{op.site.tag()}
	for _, r := range slices.Compact(slices.Sorted(slices.Values(h.Roles))) {
		tags = append(tags, op.site.roleTag(r))
	}
	return tags
}

// sameButNames reports whether two requests differ only in their names.
func (r DropletRequest) sameButNames(o DropletRequest) bool {
	return r.Region == o.Region && r.Size == o.Size && r.Image == o.Image && r.VPC == o.VPC &&
		r.KeyFingerprint == o.KeyFingerprint && r.UserData == o.UserData && slices.Equal(r.Tags, o.Tags)
}

// waitForStart waits until every droplet is active and has its addresses.
func (op *dropletsOp) waitForStart(ctx context.Context) (map[string]Droplet, error) {
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
			case d.Status != statusActive || !d.Public.IsValid() || !d.Private.IsValid():
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

// record writes the droplets into the directory, with the host key that each must
// show. A droplet that is recorded already keeps its key.
func (op *dropletsOp) record(found map[string]Droplet) error {
	key, err := loadBootstrap(op.directory.folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	hosts := make([]Host, 0, len(found))
	for _, d := range found {
		h, err := op.directory.Lookup(d.Name)
		if err != nil || h.Droplet != d.ID {
			h = Host{Name: d.Name, Droplet: d.ID}
			h.HostKey, h.Bootstrap = op.directory.knownKey(d.Public)
		}
		if h.HostKey == "" {
			h.HostKey, h.Bootstrap = key.Public, true
		}
		if h.HostKey == "" {
			return report.WithHint(fmt.Errorf("the host key of droplet %s (%d) is not on record", d.Name, d.ID),
				"put back %s, or delete the droplet and run the command again", op.directory.KnownHosts())
		}
		h.Public, h.Private = d.Public, d.Private
		hosts = append(hosts, h)
	}
	return op.directory.Record(hosts...)
}

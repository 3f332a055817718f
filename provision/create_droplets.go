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
	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// unclearCreatePause is the wait after a create with an unclear outcome, before the
// lists are read again: the vendor may still be making the droplets.
const unclearCreatePause = 3 * time.Second

// createConcurrency is how many create calls are sent side by side.
const createConcurrency = 5

// failurePolls is after how many polls, and how often from then on, the vendor is asked
// whether it has given up on a droplet that is late: that takes a call for each.
const failurePolls = 15

// Apply makes the missing droplets, waits until the vendor has started them, records
// them, and replaces their host keys. Each of these first checks what is done already.
func (op *dropletsOp) Apply(ctx context.Context) error {
	if err := op.created.requireAccount(ctx, op.cloud); err != nil {
		return err
	}
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
	var volumes []Volume
	if len(op.volumes) > 0 {
		if volumes, err = op.cloud.Volumes(ctx, op.site.Region); err != nil {
			return fmt.Errorf("list volumes: %w", err)
		}
	}
	if err := op.created.in(op.account); err != nil {
		return err
	}
	requests, err := op.requests(found, vpc.ID, key, volumes)
	if err != nil {
		return err
	}
	// Side by side, and each to its end: a request that is cut off may have made droplets.
	errs := make([]error, len(requests))
	var g errgroup.Group
	g.SetLimit(createConcurrency)
	for i, r := range requests {
		g.Go(func() error {
			errs[i] = op.createSome(ctx, r)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	return errors.Join(errs...)
}

// createSome sends one request. It is recorded before it is sent, and so is what it made.
func (op *dropletsOp) createSome(ctx context.Context, r DropletRequest) error {
	at := time.Now().UTC()
	if err := op.created.ask(r, at); err != nil {
		return err
	}
	made, err := op.cloud.CreateDroplets(ctx, r)
	if err == nil {
		return op.created.made(made)
	}
	err = fmt.Errorf("make droplets %s: %w", strings.Join(r.Names, ", "), err)
	if errors.Is(err, ErrNothingMade) {
		return errors.Join(err, op.created.refused(r, at))
	}
	var transient *report.TransientError
	if errors.As(err, &transient) {
		return report.Transient(err, max(unclearCreatePause, transient.After))
	}
	return err
}

// requests returns the requests for the missing hosts. Hosts that differ only in their
// name share a request.
func (op *dropletsOp) requests(found map[string]Droplet, vpc string, key bootstrapKey, volumes []Volume) ([]DropletRequest, error) {
	public, err := op.site.publicKey()
	if err != nil {
		return nil, err
	}
	var list []DropletRequest
	for _, h := range op.site.Hosts {
		if _, ok := found[h.Name]; ok {
			continue
		}
		data := op.site.userData(h, key)
		data.Volumes = op.volumes[h.Name]
		text, err := data.render()
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", h.Name, err)
		}
		attached, err := op.volumeIDs(volumes, h.Name)
		if err != nil {
			return nil, err
		}
		r := DropletRequest{
			Volumes: attached, IPv6: op.site.IPv6,
			Region: op.site.Region, Size: op.choices[h.Name].Size.Slug, Image: op.images[h.Name], VPC: vpc,
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
	return len(r.Volumes)+len(o.Volumes) == 0 && r.IPv6 == o.IPv6 && r.Region == o.Region && r.Size == o.Size && r.Image == o.Image && r.VPC == o.VPC &&
		r.KeyFingerprint == o.KeyFingerprint && r.UserData == o.UserData && slices.Equal(r.Tags, o.Tags)
}

// waitForStart waits until every droplet is active and has its addresses. It asks for all
// of them by their tag, one call each time, and less often the longer it takes.
func (op *dropletsOp) waitForStart(ctx context.Context) (map[string]Droplet, error) {
	waiting, cancel := context.WithTimeout(ctx, op.createBudget)
	defer cancel()
	start := time.Now()
	var late []string
	for polls := 1; ; polls++ {
		found, err := op.find(waiting)
		if err == nil {
			late = op.late(found)
		}
		if err == nil && polls%failurePolls == 0 {
			err = op.requireNoneFailed(waiting, found)
		}
		if err == nil && len(late) == 0 {
			return found, nil
		}
		if err == nil {
			total := len(op.site.Hosts)
			report.Show(ctx, report.Progress{Done: int64(total - len(late)), Total: int64(total), Unit: "droplets"})
			err = wait.For(waiting, max(op.interval/2, time.Since(start)/16))
		}
		if waiting.Err() != nil && ctx.Err() == nil {
			return nil, report.WithHint(fmt.Errorf("droplets did not start within %s: %s", op.createBudget, strings.Join(late, ", ")),
				"look at them in the control panel, then run the command again; migrate rollback --all deletes them")
		}
		if err != nil {
			return nil, err
		}
	}
}

// late names the hosts whose droplets do not run yet, each with the reason.
func (op *dropletsOp) late(found map[string]Droplet) []string {
	var late []string
	for _, h := range op.site.Hosts {
		d, ok := found[h.Name]
		switch {
		case !ok:
			late = append(late, h.Name+" (not listed)")
		case d.Status != statusActive:
			late = append(late, h.Name+" ("+d.Status+")")
		case !d.Public.IsValid() || !d.Private.IsValid() || op.site.IPv6 && !d.PublicV6.IsValid():
			late = append(late, h.Name+" (without an address)")
		}
	}
	return late
}

// requireNoneFailed returns an error if the vendor has given up on a droplet.
func (op *dropletsOp) requireNoneFailed(ctx context.Context, found map[string]Droplet) error {
	var failed []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		d := found[name]
		if d.Status == statusActive {
			continue
		}
		bad, err := op.cloud.CreateFailed(ctx, d.ID)
		if err != nil {
			return fmt.Errorf("read what became of droplet %s: %w", name, err)
		}
		if bad {
			failed = append(failed, fmt.Sprintf("%s (%d)", name, d.ID))
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return report.Permanent(report.WithHint(fmt.Errorf("the vendor could not start droplets: %s", strings.Join(failed, ", ")),
		"delete them in the control panel, then run the command again: it makes them anew; or migrate rollback --all deletes all that was made"))
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
		h.Public, h.Private, h.PublicV6 = d.Public, d.Private, d.PublicV6
		hosts = append(hosts, h)
	}
	return op.directory.Record(hosts...)
}

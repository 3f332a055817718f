package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// dropletsOp makes all droplets of the site, and waits until each answers over SSH
// with a host key of its own.
//
// The vendor has no idempotency token, and names are not unique. Each droplet is
// therefore made with the migration's tag and in the migration's own VPC, and both are
// searched before a droplet is made: a lost answer, a 502 or a kill -9 never makes a
// second droplet for a host.
type dropletsOp struct {
	cloud     Cloud
	created   *created
	serves    func(context.Context, []Host) error
	site      Site
	choices   map[string]sizeChoice
	images    map[string]string      // by host name
	volumes   map[string][]volumeFor // by host name
	directory *Directory
	hosts     Hosts
	interval  time.Duration
	// createBudget limits the wait for the vendor, bootBudget the wait for SSH.
	createBudget, bootBudget time.Duration

	// namesakes are the account's other droplets with the name of a host that has none
	// yet. They are never touched.
	namesakes []string
	used      int    // how many droplets the account has; known while a host has none
	account   string // its id; known after checkLimit
}

// newDroplets returns the step that makes the site's droplets in the chosen sizes.
func newDroplets(site Site, choices map[string]sizeChoice, images map[string]string, d Deps) plan.Step {
	op := &dropletsOp{
		cloud: d.Cloud, created: openCreated(d.Directory.folder), serves: d.Serves, site: site, choices: choices, images: images, volumes: site.volumes(choices), directory: d.Directory, hosts: d.Hosts,
		interval: d.PollInterval(), createBudget: 10 * time.Minute, bootBudget: 5 * time.Minute,
	}
	step := plan.Step{Name: "droplets", Summary: op.summary(), Takes: 90 * time.Second, Op: op}
	for _, h := range site.Hosts {
		if shortfall := choices[h.Name].Shortfall; shortfall != "" {
			step.Hazards = append(step.Hazards, plan.Hazard{
				ID: "H29", Text: fmt.Sprintf("%s: size %s has %s", h.Name, choices[h.Name].Size.Slug, shortfall),
			})
		}
	}
	return step
}

func (op *dropletsOp) summary() string {
	parts := make([]string, len(op.site.Hosts))
	for i, h := range op.site.Hosts {
		c := op.choices[h.Name]
		parts[i] = fmt.Sprintf("%s %s ($%g a month; %s)", h.Name, c.Size.Slug, c.Size.MonthlyPrice, c.Reason)
	}
	return fmt.Sprintf("make %d droplets in %s from %s: %s", len(parts), op.site.Region, op.describeImages(), strings.Join(parts, ", "))
}

// dropletsBefore holds the ids of the droplets that existed, by host name.
type dropletsBefore struct {
	Droplets map[string]int `json:"droplets"`
}

func (op *dropletsOp) Check(ctx context.Context) (plan.State, error) {
	if err := op.created.requireAccount(ctx, op.cloud); err != nil {
		return plan.State{}, err
	}
	found, err := op.find(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if err := op.checkLimit(ctx, len(op.site.Hosts)-len(found)); err != nil {
		return plan.State{}, err
	}
	before := dropletsBefore{map[string]int{}}
	ready := 0
	for name, d := range found {
		before.Droplets[name] = d.ID
		h, err := op.directory.Lookup(name)
		if err == nil && d.Status == statusActive && h.Droplet == d.ID && h.HostKey != "" && !h.Bootstrap &&
			h.Public == d.Public && h.Private == d.Private {
			ready++
		}
	}
	s := plan.State{
		Done: ready == len(op.site.Hosts),
		Now:  fmt.Sprintf("%d of %d droplets, %d of them ready", len(found), len(op.site.Hosts), ready),
		Want: fmt.Sprintf("%d droplets", len(op.site.Hosts)),
	}
	if len(op.namesakes) > 0 {
		s.Now += "; other droplets of the account have the names of hosts and stay as they are: " + strings.Join(op.namesakes, ", ")
	}
	s.Before, err = json.Marshal(before)
	return s, err
}

// find returns the migration's droplets by host name.
func (op *dropletsOp) find(ctx context.Context) (map[string]Droplet, error) {
	byID, err := op.byID(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]Droplet{}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		d := byID[id]
		h, ours := op.site.host(d.Name)
		if !ours {
			continue
		}
		if twin, ok := found[d.Name]; ok {
			return nil, report.WithHint(fmt.Errorf("two droplets of this migration are named %s: %d and %d", d.Name, twin.ID, d.ID),
				"delete the one that hosts.json does not name")
		}
		if h.Size != "" && d.Size != h.Size {
			return nil, report.WithHint(fmt.Errorf("droplet %s is of size %s, the configuration says %s", d.Name, d.Size, h.Size),
				"resize it in the control panel, or correct the size")
		}
		found[d.Name] = d
	}
	return found, nil
}

// byID returns the migration's droplets by id: those with its tag, and those in its
// VPC with the name of a host, because a tag may come late or be taken off.
func (op *dropletsOp) byID(ctx context.Context) (map[int]Droplet, error) {
	tagged, err := op.cloud.DropletsTagged(ctx, op.site.tag())
	if err != nil {
		return nil, fmt.Errorf("list droplets: %w", err)
	}
	byID := map[int]Droplet{}
	for _, d := range tagged {
		byID[d.ID] = d
	}
	op.namesakes = nil
	names := map[string]bool{}
	for _, h := range op.site.Hosts {
		names[h.Name] = true
	}
	for _, d := range tagged {
		delete(names, d.Name)
	}
	if len(names) == 0 {
		return byID, nil
	}
	vpc, made, err := findVPC(ctx, op.cloud, op.site.resourceName())
	if err != nil {
		return nil, err
	}
	all, err := op.cloud.AllDroplets(ctx)
	if err != nil {
		return nil, fmt.Errorf("list droplets: %w", err)
	}
	op.used = len(all)
	for _, d := range all {
		switch {
		case !names[d.Name]:
		case made && d.VPC == vpc.ID:
			byID[d.ID] = d
		default:
			op.namesakes = append(op.namesakes, fmt.Sprintf("%s (%d)", d.Name, d.ID))
		}
	}
	return byID, nil
}

// checkLimit returns an error if the account may not have the missing droplets too.
func (op *dropletsOp) checkLimit(ctx context.Context, missing int) error {
	if missing <= 0 {
		return nil
	}
	account, err := op.cloud.Account(ctx)
	if err != nil {
		return fmt.Errorf("read droplet limit: %w", err)
	}
	op.account = account.ID
	limit, used := account.DropletLimit, op.used
	if used+missing > limit {
		return report.WithHint(fmt.Errorf("the account may have %d droplets and has %d: %d more do not fit", limit, used, missing),
			"ask the vendor for a higher limit in the control panel (Settings, Droplet limit), or delete droplets that are not needed")
	}
	return nil
}

// Verify asks the vendor for each droplet and connects to each host.
func (op *dropletsOp) Verify(ctx context.Context) error {
	found, err := op.find(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(sshConcurrency)
	for _, h := range op.site.Hosts {
		d, ok := found[h.Name]
		recorded, err := op.directory.Lookup(h.Name)
		switch {
		case !ok:
			err = errors.New("there is no such droplet")
		case d.Status != statusActive:
			err = fmt.Errorf("its status is %s", d.Status)
		case err == nil && recorded.Droplet != d.ID:
			err = fmt.Errorf("it is number %d, hosts.json says %d", d.ID, recorded.Droplet)
		case err == nil && recorded.Bootstrap:
			err = errors.New("it still has the host key from user-data")
		}
		g.Go(func() error {
			if err == nil {
				err = op.waitForSSH(ctx, op.hosts.Target(h.Name))
			}
			if err != nil {
				return fmt.Errorf("droplet %s: %w", h.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// Undo deletes the droplets that this migration has made. It deletes nothing if the vendor
// lists another droplet with the migration's tag or place, or if clients are led to one.
func (op *dropletsOp) Undo(ctx context.Context, before json.RawMessage) error {
	was, err := ReadBefore[dropletsBefore](before)
	if err != nil {
		return err
	}
	if err := op.created.requireAccount(ctx, op.cloud); err != nil {
		return fmt.Errorf("delete the droplets: %w", err)
	}
	if op.serves != nil {
		if err := op.serves(ctx, op.directory.Hosts()); err != nil {
			return fmt.Errorf("delete the droplets: %w", err)
		}
	}
	keep := slices.Collect(maps.Values(was.Droplets))
	var gone []int
	deleteOurs := func(ctx context.Context) (bool, error) {
		ours, err := op.ours(ctx, keep)
		if err != nil {
			return false, err
		}
		for _, d := range ours {
			if err := op.cloud.DeleteDroplet(ctx, d.ID); err != nil {
				return false, fmt.Errorf("delete droplet %s (%d): %w", d.Name, d.ID, err)
			}
			gone = append(gone, d.ID)
		}
		return len(ours) == 0, nil
	}
	wait, cancel := context.WithTimeout(ctx, op.createBudget)
	defer cancel()
	if err := Poll(wait, op.interval, deleteOurs); err != nil {
		return err
	}
	if err := op.forget(keep); err != nil {
		return err
	}
	if err := op.created.deleted(gone); err != nil || len(keep) > 0 {
		return err
	}
	return dropBootstrap(op.directory.folder)
}

// ours returns the droplets of this migration that it has made. The error names others,
// except those that existed before the step.
func (op *dropletsOp) ours(ctx context.Context, existed []int) ([]Droplet, error) {
	all, err := op.byID(ctx)
	if err != nil {
		return nil, err
	}
	if err := op.created.adopt(slices.Collect(maps.Values(all))); err != nil {
		return nil, err
	}
	record, err := op.created.read()
	if err != nil {
		return nil, err
	}
	var ours []Droplet
	var others []string
	for _, id := range slices.Sorted(maps.Keys(all)) {
		switch {
		case slices.Contains(existed, id):
		case slices.Contains(record.IDs, id):
			ours = append(ours, all[id])
		default:
			others = append(others, fmt.Sprintf("%s (%d)", all[id].Name, id))
		}
	}
	if len(others) > 0 {
		return nil, report.WithHint(report.Permanent(fmt.Errorf("nothing was deleted: these droplets look like this migration's, and it has not made them: %s", strings.Join(others, ", "))),
			"take the tag %s off each that must stay, and delete the others in the control panel; then run the same command again", op.site.tag())
	}
	return ours, nil
}

// forget removes the deleted droplets from the directory.
func (op *dropletsOp) forget(keep []int) error {
	if len(op.directory.Hosts()) == 0 {
		return nil
	}
	return op.directory.update(func(all map[string]Host) {
		maps.DeleteFunc(all, func(name string, h Host) bool {
			_, ours := op.site.host(name)
			return ours && !slices.Contains(keep, h.Droplet)
		})
	})
}

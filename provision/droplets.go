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

// dropletsOp makes all droplets of the site, and waits until each answers over
// SSH with a host key that only it has.
//
// The vendor has no idempotency token and names are not unique. So every
// droplet is made with the migration's tag inside the migration's own VPC, and
// before anything is made both are asked: a dropped answer, a 502 or a kill -9
// never doubles a droplet.
type dropletsOp struct {
	cloud     Cloud
	site      Site
	choices   map[string]Choice
	directory *Directory
	hosts     Hosts
	interval  time.Duration
	// createBudget and bootBudget bound the waits for the vendor and for SSH.
	createBudget, bootBudget time.Duration
}

// NewDroplets returns the step that makes the site's droplets, of the sizes that
// were chosen.
func NewDroplets(site Site, choices map[string]Choice, d Deps) plan.Step {
	op := &dropletsOp{
		cloud: d.Cloud, site: site, choices: choices, directory: d.Directory, hosts: d.Hosts,
		interval: d.Every(), createBudget: 10 * time.Minute, bootBudget: 5 * time.Minute,
	}
	step := plan.Step{Name: "droplets", Summary: op.summary(), Takes: 90 * time.Second, Op: op}
	for _, h := range site.Hosts {
		if less := choices[h.Name].Smaller; less != "" {
			step.Hazards = append(step.Hazards, plan.Hazard{
				ID: "H29", Text: fmt.Sprintf("%s: size %s has %s", h.Name, choices[h.Name].Size.Slug, less),
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
	return fmt.Sprintf("make %d droplets in %s from %s: %s", len(parts), op.site.Region, op.site.Image, strings.Join(parts, ", "))
}

// dropletsBefore is the ids that the site's names had.
type dropletsBefore struct {
	Droplets map[string]int `json:"droplets"`
}

func (op *dropletsOp) Check(ctx context.Context) (plan.State, error) {
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
		m, err := op.directory.Lookup(name)
		if err == nil && d.Status == StatusActive && m.Droplet == d.ID && m.HostKey != "" && !m.Bootstrap &&
			m.Public == d.Public && m.Private == d.Private {
			ready++
		}
	}
	s := plan.State{
		Done: ready == len(op.site.Hosts),
		Now:  fmt.Sprintf("%d of %d droplets, %d of them ready", len(found), len(op.site.Hosts), ready),
		Want: fmt.Sprintf("%d droplets", len(op.site.Hosts)),
	}
	s.Before, err = json.Marshal(before)
	return s, err
}

// find returns the migration's droplets by host name: those with its tag, and
// those of that name in its VPC, in case a tag came late or was taken off.
func (op *dropletsOp) find(ctx context.Context) (map[string]Droplet, error) {
	byID, err := op.all(ctx)
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

// all returns the migration's droplets by id.
func (op *dropletsOp) all(ctx context.Context) (map[int]Droplet, error) {
	tagged, err := op.cloud.DropletsTagged(ctx, op.site.Tag())
	if err != nil {
		return nil, fmt.Errorf("list droplets: %w", err)
	}
	byID := map[int]Droplet{}
	for _, d := range tagged {
		byID[d.ID] = d
	}
	vpc, ok, err := findVPC(ctx, op.cloud, op.site.resourceName())
	if err != nil || !ok {
		return byID, err // without our VPC none of ours can be in it
	}
	for _, h := range op.site.Hosts {
		if slices.ContainsFunc(tagged, func(d Droplet) bool { return d.Name == h.Name }) {
			continue
		}
		named, err := op.cloud.DropletsNamed(ctx, h.Name)
		if err != nil {
			return nil, fmt.Errorf("list droplets: %w", err)
		}
		for _, d := range named {
			if d.VPC == vpc.ID && d.Name == h.Name {
				byID[d.ID] = d
			}
		}
	}
	return byID, nil
}

func (op *dropletsOp) checkLimit(ctx context.Context, missing int) error {
	if missing <= 0 {
		return nil
	}
	limit, used, err := op.cloud.DropletLimit(ctx)
	if err != nil {
		return fmt.Errorf("read droplet limit: %w", err)
	}
	if used+missing > limit {
		return report.WithHint(fmt.Errorf("the account may have %d droplets and has %d: %d more do not fit", limit, used, missing),
			"ask the vendor for a higher limit in the control panel (Settings, Droplet limit), or delete droplets that nobody needs")
	}
	return nil
}

// Verify asks the vendor and every host.
func (op *dropletsOp) Verify(ctx context.Context) error {
	found, err := op.find(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(trustAtOnce)
	for _, h := range op.site.Hosts {
		d, ok := found[h.Name]
		m, err := op.directory.Lookup(h.Name)
		switch {
		case !ok:
			err = errors.New("there is no such droplet")
		case d.Status != StatusActive:
			err = fmt.Errorf("its status is %s", d.Status)
		case err == nil && m.Droplet != d.ID:
			err = fmt.Errorf("it is number %d, hosts.json says %d", d.ID, m.Droplet)
		case err == nil && m.Bootstrap:
			err = errors.New("it still has the host key from user-data")
		}
		g.Go(func() error {
			if err == nil {
				err = op.answers(ctx, op.hosts.Target(h.Name))
			}
			if err != nil {
				return fmt.Errorf("droplet %s: %w", h.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// Undo deletes the migration's droplets that were not there before.
func (op *dropletsOp) Undo(ctx context.Context, before json.RawMessage) error {
	was, err := ReadBefore[dropletsBefore](before)
	if err != nil {
		return err
	}
	keep := slices.Collect(maps.Values(was.Droplets))
	gone := func(ctx context.Context) (bool, error) {
		all, err := op.all(ctx)
		if err != nil {
			return false, err
		}
		left := 0
		for id, d := range all {
			if slices.Contains(keep, id) {
				continue
			}
			left++
			if err := op.cloud.DeleteDroplet(ctx, id); err != nil {
				return false, fmt.Errorf("delete droplet %s (%d): %w", d.Name, id, err)
			}
		}
		return left == 0, nil
	}
	wait, cancel := context.WithTimeout(ctx, op.createBudget)
	defer cancel()
	if err := Poll(wait, op.interval, gone); err != nil {
		return err
	}
	if err := op.forget(keep); err != nil {
		return err
	}
	if len(keep) > 0 {
		return nil
	}
	return dropBootstrap(op.directory.folder)
}

// forget takes the deleted droplets out of the directory.
func (op *dropletsOp) forget(keep []int) error {
	if len(op.directory.Machines()) == 0 {
		return nil
	}
	return op.directory.update(func(all map[string]Machine) {
		maps.DeleteFunc(all, func(name string, m Machine) bool {
			_, ours := op.site.host(name)
			return ours && !slices.Contains(keep, m.Droplet)
		})
	})
}

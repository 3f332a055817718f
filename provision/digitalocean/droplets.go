package digitalocean

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/report"
)

// DropletsTagged lists the droplets with a tag.
func (c *Client) DropletsTagged(ctx context.Context, tag string) ([]provision.Droplet, error) {
	names, err := c.canonical(ctx, []string{tag})
	if err != nil {
		return nil, err
	}
	all, err := list(ctx, func(ctx context.Context, o *godo.ListOptions) ([]godo.Droplet, *godo.Response, error) {
		return c.api.Droplets.ListByTag(ctx, names[0], o)
	})
	return dropletsOf(all, func(d provision.Droplet) bool { return hasTag(d, tag) }), err
}

// DropletsNamed lists the droplets with exactly this name.
func (c *Client) DropletsNamed(ctx context.Context, name string) ([]provision.Droplet, error) {
	all, err := list(ctx, func(ctx context.Context, o *godo.ListOptions) ([]godo.Droplet, *godo.Response, error) {
		return c.api.Droplets.ListByName(ctx, name, o)
	})
	return dropletsOf(all, func(d provision.Droplet) bool { return d.Name == name }), err
}

// AllDroplets lists the account's droplets.
func (c *Client) AllDroplets(ctx context.Context) ([]provision.Droplet, error) {
	all, err := list(ctx, c.api.Droplets.List)
	return dropletsOf(all, func(provision.Droplet) bool { return true }), err
}

// CreateFailed reports whether the droplet's create action ended with an error.
func (c *Client) CreateFailed(ctx context.Context, id int) (bool, error) {
	all, err := list(ctx, func(ctx context.Context, o *godo.ListOptions) ([]godo.Action, *godo.Response, error) {
		return c.api.Droplets.Actions(ctx, id, o)
	})
	for _, a := range all {
		if a.Type == "create" {
			return a.Status == "errored", err
		}
	}
	return false, ignoreNotFound(err)
}

// CreateDroplets asks for one droplet per name in one call. The call is sent once; only
// after a 429, which means that nothing was made, it is sent again.
func (c *Client) CreateDroplets(ctx context.Context, r provision.DropletRequest) ([]provision.Droplet, error) {
	made, resp, err := c.create(ctx, &godo.DropletMultiCreateRequest{
		Names:    r.Names,
		Region:   r.Region,
		Size:     r.Size,
		Image:    createImage(r.Image),
		SSHKeys:  []godo.DropletCreateSSHKey{{Fingerprint: r.KeyFingerprint}},
		UserData: r.UserData,
		Tags:     r.Tags,
		VPCUUID:  r.VPC,
		IPv6:     r.IPv6,
	}, r.Volumes)
	if err != nil {
		if err = explain(resp, err); resp != nil && resp.StatusCode >= 400 && resp.StatusCode < 500 {
			err = fmt.Errorf("%w (%w)", err, provision.ErrNothingMade)
		}
		return nil, err
	}
	return dropletsOf(made, func(provision.Droplet) bool { return true }), nil
}

// create makes droplets in one call. Only a call for a single one can name volumes.
func (c *Client) create(ctx context.Context, r *godo.DropletMultiCreateRequest, volumes []string) ([]godo.Droplet, *godo.Response, error) {
	if len(volumes) == 0 {
		return c.api.Droplets.CreateMultiple(ctx, r)
	}
	one := &godo.DropletCreateRequest{
		Name: r.Names[0], Region: r.Region, Size: r.Size, Image: r.Image, SSHKeys: r.SSHKeys,
		UserData: r.UserData, Tags: r.Tags, VPCUUID: r.VPCUUID, IPv6: r.IPv6,
	}
	for _, id := range volumes {
		one.Volumes = append(one.Volumes, godo.DropletCreateVolume{ID: id})
	}
	made, resp, err := c.api.Droplets.Create(ctx, one)
	if err != nil {
		return nil, resp, err
	}
	return []godo.Droplet{*made}, resp, nil
}

// DeleteDroplet deletes a droplet. It is no error if the droplet does not exist.
func (c *Client) DeleteDroplet(ctx context.Context, id int) error {
	resp, err := c.api.Droplets.Delete(ctx, id)
	return ignoreNotFound(explain(resp, err))
}

// Sizes lists the sizes of droplets.
func (c *Client) Sizes(ctx context.Context) ([]provision.Size, error) {
	all, err := list(ctx, c.api.Sizes.List)
	out := make([]provision.Size, len(all))
	for i, s := range all {
		out[i] = provision.Size{
			Slug: s.Slug, CPUs: s.Vcpus, MemoryMiB: s.Memory, DiskGiB: s.Disk,
			MonthlyPrice: s.PriceMonthly, Regions: s.Regions, Available: s.Available,
		}
	}
	return out, err
}

// Image returns the image with a slug or, of the account's own, a number.
func (c *Client) Image(ctx context.Context, slug string) (provision.Image, bool, error) {
	var image *godo.Image
	var resp *godo.Response
	var err error
	if id, notNumber := strconv.Atoi(slug); notNumber == nil {
		image, resp, err = c.api.Images.GetByID(ctx, id)
	} else {
		image, resp, err = c.api.Images.GetBySlug(ctx, slug)
	}
	if err != nil {
		return provision.Image{}, false, ignoreNotFound(explain(resp, err))
	}
	return provision.Image{Regions: image.Regions, MinDiskGiB: image.MinDiskSize}, true, nil
}

// createImage is an image as a create call wants it: a number is no slug.
func createImage(slug string) godo.DropletCreateImage {
	if id, err := strconv.Atoi(slug); err == nil {
		return godo.DropletCreateImage{ID: id}
	}
	return godo.DropletCreateImage{Slug: slug}
}

// Account returns the account that the token belongs to.
func (c *Client) Account(ctx context.Context) (provision.Account, error) {
	account, resp, err := c.api.Account.Get(ctx)
	if err != nil {
		return provision.Account{}, explain(resp, err)
	}
	if account.Status == "locked" {
		return provision.Account{}, report.Permanent(report.WithHint(fmt.Errorf("DigitalOcean: the account is locked: %s", account.StatusMessage), "see the control panel"))
	}
	a := provision.Account{ID: account.UUID, DropletLimit: account.DropletLimit, ReservedIPLimit: max(account.ReservedIPLimit, account.FloatingIPLimit)}
	if account.Team != nil && account.Team.UUID != "" {
		a.ID = account.Team.UUID // a person's account is in several teams
	}
	return a, nil
}

// DropletLimit returns how many droplets the account may have, and how many it has.
func (c *Client) DropletLimit(ctx context.Context) (limit, used int, err error) {
	account, err := c.Account(ctx)
	if err != nil {
		return 0, 0, err
	}
	page, resp, err := c.api.Droplets.List(ctx, &godo.ListOptions{Page: 1, PerPage: 1})
	if err != nil {
		return 0, 0, explain(resp, err)
	}
	used = len(page)
	if resp.Meta != nil {
		used = resp.Meta.Total
	}
	return account.DropletLimit, used, nil
}

func dropletsOf(in []godo.Droplet, keep func(provision.Droplet) bool) []provision.Droplet {
	var out []provision.Droplet
	for _, d := range in {
		o := provision.Droplet{ID: d.ID, Name: d.Name, Status: d.Status, Size: d.SizeSlug, VPC: d.VPCUUID, Tags: d.Tags}
		o.Created, _ = time.Parse(time.RFC3339, d.Created) // zero: older than anything
		if d.Networks != nil {
			for _, n := range d.Networks.V4 {
				a, err := netip.ParseAddr(n.IPAddress)
				switch {
				case err != nil: // not assigned yet
				case n.Type == "public" && !o.Public.IsValid():
					o.Public = a
				case n.Type == "private" && !o.Private.IsValid():
					o.Private = a
				}
			}
			for _, n := range d.Networks.V6 {
				if a, err := netip.ParseAddr(n.IPAddress); err == nil && n.Type == "public" {
					o.PublicV6 = a
				}
			}
		}
		if keep(o) {
			out = append(out, o)
		}
	}
	return out
}

func hasTag(d provision.Droplet, tag string) bool {
	for _, t := range d.Tags {
		if strings.EqualFold(t, tag) {
			return true
		}
	}
	return false
}

func ignoreNotFound(err error) error {
	if notFound(err) {
		return nil
	}
	return err
}

package digitalocean

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/digitalocean/godo"

	"github.com/dcmigrate/migrate/provision"
)

// ReservedIPs lists the account's reserved IPs.
func (c *Client) ReservedIPs(ctx context.Context) ([]provision.ReservedIP, error) {
	all, err := list(ctx, c.api.ReservedIPs.List)
	if err != nil {
		return nil, err
	}
	var out []provision.ReservedIP
	for _, ip := range all {
		a, err := netip.ParseAddr(ip.IP)
		if err != nil {
			return nil, fmt.Errorf("read reserved IP %q: %w", ip.IP, err)
		}
		o := provision.ReservedIP{Address: a}
		if ip.Droplet != nil {
			o.Droplet = ip.Droplet.ID
		}
		out = append(out, o)
	}
	return out, nil
}

// CreateReservedIP makes a reserved IP for a droplet. While the droplet has a pending
// event, the error is a report.TransientError.
func (c *Client) CreateReservedIP(ctx context.Context, droplet int) error {
	_, resp, err := c.api.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{DropletID: droplet})
	return explain(resp, err)
}

// DeleteReservedIP deletes a reserved IP, which its droplet then no longer has.
func (c *Client) DeleteReservedIP(ctx context.Context, a netip.Addr) error {
	resp, err := c.api.ReservedIPs.Delete(ctx, a.String())
	return ignoreNotFound(explain(resp, err))
}

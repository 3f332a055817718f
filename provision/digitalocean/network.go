package digitalocean

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/dcmigrate/migrate/provision"
)

// VPCs lists the account's VPCs.
func (c *Client) VPCs(ctx context.Context) ([]provision.VPC, error) {
	all, err := list(ctx, c.api.VPCs.List)
	out := make([]provision.VPC, len(all))
	for i, v := range all {
		out[i] = provision.VPC{ID: v.ID, Name: v.Name, Region: v.RegionSlug, Description: v.Description, Default: v.Default}
		if out[i].Range, err = netip.ParsePrefix(v.IPRange); err != nil {
			return nil, fmt.Errorf("read VPC %s: %w", v.Name, err)
		}
	}
	return out, err
}

// CreateVPC makes a VPC.
func (c *Client) CreateVPC(ctx context.Context, v provision.VPC) error {
	r := &godo.VPCCreateRequest{Name: v.Name, RegionSlug: v.Region, Description: v.Description}
	if v.Range.IsValid() {
		r.IPRange = v.Range.String()
	}
	_, resp, err := c.api.VPCs.Create(ctx, r)
	return explain(resp, err)
}

// SetDefaultVPC makes a VPC the default of its region.
func (c *Client) SetDefaultVPC(ctx context.Context, id string) error {
	_, resp, err := c.api.VPCs.Set(ctx, id, godo.VPCSetDefault())
	return explain(resp, err)
}

// DeleteVPC deletes a VPC. While it has members, the error wraps provision.ErrInUse.
func (c *Client) DeleteVPC(ctx context.Context, id string) error {
	resp, err := c.api.VPCs.Delete(ctx, id)
	err = ignoreNotFound(explain(resp, err))
	var answer *APIError
	if errors.As(err, &answer) {
		inUse := answer.Status == http.StatusConflict ||
			(answer.Status == http.StatusForbidden || answer.Status == http.StatusUnprocessableEntity) && strings.Contains(strings.ToLower(answer.Message), "member")
		if inUse {
			return fmt.Errorf("%w: %w", provision.ErrInUse, err)
		}
	}
	return err
}

// Firewalls lists the account's firewalls.
func (c *Client) Firewalls(ctx context.Context) ([]provision.Firewall, error) {
	all, err := list(ctx, c.api.Firewalls.List)
	out := make([]provision.Firewall, len(all))
	for i, f := range all {
		out[i] = provision.Firewall{ID: f.ID, Name: f.Name, Status: f.Status, Tags: f.Tags}
		for _, r := range f.InboundRules {
			rule := provision.Rule{Protocol: r.Protocol, Ports: r.PortRange}
			if r.Sources != nil {
				rule.Addresses, rule.Tags = r.Sources.Addresses, r.Sources.Tags
			}
			out[i].Inbound = append(out[i].Inbound, rule)
		}
		for _, r := range f.OutboundRules {
			rule := provision.Rule{Protocol: r.Protocol, Ports: r.PortRange}
			if r.Destinations != nil {
				rule.Addresses, rule.Tags = r.Destinations.Addresses, r.Destinations.Tags
			}
			out[i].Outbound = append(out[i].Outbound, rule)
		}
	}
	return out, err
}

// CreateFirewall makes a firewall.
func (c *Client) CreateFirewall(ctx context.Context, f provision.Firewall) error {
	f, err := c.canonicalFirewall(ctx, f)
	if err != nil {
		return err
	}
	_, resp, err := c.api.Firewalls.Create(ctx, firewallRequest(f))
	return explain(resp, err)
}

// UpdateFirewall replaces the firewall with f's ID.
func (c *Client) UpdateFirewall(ctx context.Context, f provision.Firewall) error {
	f, err := c.canonicalFirewall(ctx, f)
	if err != nil {
		return err
	}
	_, resp, err := c.api.Firewalls.Update(ctx, f.ID, firewallRequest(f))
	return explain(resp, err)
}

// DeleteFirewall deletes a firewall. It is no error if the firewall does not exist.
func (c *Client) DeleteFirewall(ctx context.Context, id string) error {
	resp, err := c.api.Firewalls.Delete(ctx, id)
	return ignoreNotFound(explain(resp, err))
}

// canonicalFirewall gives the firewall's tags the vendor's capitalisation.
func (c *Client) canonicalFirewall(ctx context.Context, f provision.Firewall) (_ provision.Firewall, err error) {
	if f.Tags, err = c.canonical(ctx, f.Tags); err != nil {
		return f, err
	}
	for _, rules := range []*[]provision.Rule{&f.Inbound, &f.Outbound} {
		*rules = slices.Clone(*rules)
		for i := range *rules {
			if (*rules)[i].Tags, err = c.canonical(ctx, (*rules)[i].Tags); err != nil {
				return f, err
			}
		}
	}
	return f, nil
}

func firewallRequest(f provision.Firewall) *godo.FirewallRequest {
	r := &godo.FirewallRequest{Name: f.Name, Tags: f.Tags, DropletIDs: []int{}}
	for _, in := range f.Inbound {
		r.InboundRules = append(r.InboundRules, godo.InboundRule{
			Protocol: in.Protocol, PortRange: in.Ports, Sources: &godo.Sources{Addresses: in.Addresses, Tags: in.Tags},
		})
	}
	for _, out := range f.Outbound {
		r.OutboundRules = append(r.OutboundRules, godo.OutboundRule{
			Protocol: out.Protocol, PortRange: out.Ports, Destinations: &godo.Destinations{Addresses: out.Addresses, Tags: out.Tags},
		})
	}
	return r
}

// SSHKeyByFingerprint returns a key of the account, and whether it exists. It asks for
// this key alone, because the list of keys may be read only 10 times a minute.
func (c *Client) SSHKeyByFingerprint(ctx context.Context, fingerprint string) (provision.SSHKey, bool, error) {
	key, resp, err := c.api.Keys.GetByFingerprint(ctx, fingerprint)
	if err != nil {
		err = explain(resp, err)
		return provision.SSHKey{}, false, ignoreNotFound(err)
	}
	return provision.SSHKey{ID: key.ID, Name: key.Name, Fingerprint: key.Fingerprint}, true, nil
}

// CreateSSHKey adds a key to the account.
func (c *Client) CreateSSHKey(ctx context.Context, name, publicKey string) error {
	_, resp, err := c.api.Keys.Create(ctx, &godo.KeyCreateRequest{Name: name, PublicKey: publicKey})
	return explain(resp, err)
}

// DeleteSSHKey removes a key. It is no error if the key does not exist.
func (c *Client) DeleteSSHKey(ctx context.Context, id int) error {
	resp, err := c.api.Keys.DeleteByID(ctx, id)
	return ignoreNotFound(explain(resp, err))
}

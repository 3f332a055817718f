package cloudflare

import (
	"context"

	"github.com/cloudflare/cloudflare-go/v7/cache"

	"github.com/dcmigrate/migrate/dns"
)

// purgeLimit is how many hosts Cloudflare accepts in one purge.
const purgeLimit = 100

// PurgeLimit implements dns.Cache.
func (c *Client) PurgeLimit() int { return purgeLimit }

// Purge implements dns.Cache. Above the zone's rate limit (5 a minute on Free) the
// error is report.Transient, with the wait that Cloudflare asks for.
func (c *Client) Purge(ctx context.Context, zone dns.Zone, hosts []string) error {
	params := cache.CachePurgeParams{}
	set(&params.ZoneID.Value, &params.ZoneID.Present, zone.ID)
	if hosts == nil {
		var body cache.CachePurgeParamsBodyCachePurgeEverything
		set(&body.PurgeEverything.Value, &body.PurgeEverything.Present, true)
		params.Body = body
	} else {
		var body cache.CachePurgeParamsBodyCachePurgeFlexPurgeByHostnames
		set(&body.Hosts.Value, &body.Hosts.Present, hosts)
		params.Body = body
	}
	if _, err := c.cache.Purge(ctx, params); err != nil {
		return withAction("purge cache of "+zone.Name, err)
	}
	return nil
}

package cloudflare

import (
	"context"
	"fmt"
	"slices"

	"github.com/cloudflare/cloudflare-go/v7/cache"
	cfdns "github.com/cloudflare/cloudflare-go/v7/dns"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/report"
)

// Change implements dns.Records with PATCH in one batch, which Cloudflare
// applies as one database transaction; PUT would reset what it does not name.
// More changes than the zone's plan allows go in several batches: each is noted,
// and after a failure the caller finds by reading which of them were done.
func (c *Client) Change(ctx context.Context, zone dns.Zone, changes []dns.Change) error {
	limit := zone.BatchLimit
	if limit <= 0 {
		limit = batchLimitFree
	}
	batches := slices.Collect(slices.Chunk(changes, limit))
	for i, batch := range batches {
		if len(batches) > 1 {
			report.Note(ctx, "%s: %d changes are more than the plan's %d a batch: batch %d of %d", zone.Name, len(changes), limit, i+1, len(batches))
		}
		patches := make([]cfdns.BatchPatchUnionParam, 0, len(batch))
		for _, change := range batch {
			patch, err := patchOf(change)
			if err != nil {
				return fmt.Errorf("change %s: %w", zone.Name, err)
			}
			patches = append(patches, patch)
		}
		var params cfdns.RecordBatchParams
		set(&params.ZoneID.Value, &params.ZoneID.Present, zone.ID)
		set(&params.Patches.Value, &params.Patches.Present, patches)
		if _, err := c.records.Batch(ctx, params); err != nil {
			return describe(fmt.Sprintf("change %d records of %s", len(batch), zone.Name), err)
		}
	}
	return nil
}

// patchOf names nothing but what changes. The library has one type a record
// type; that of the body must not be set, or it would be sent.
func patchOf(change dns.Change) (cfdns.BatchPatchUnionParam, error) {
	switch change.Type {
	case "A":
		var patch cfdns.BatchPatchARecordParam
		set(&patch.ID.Value, &patch.ID.Present, change.ID)
		setUnlessZero(&patch.Content.Value, &patch.Content.Present, change.Content)
		setUnlessZero(&patch.TTL.Value, &patch.TTL.Present, cfdns.TTL(change.TTL))
		return patch, nil
	case "AAAA":
		var patch cfdns.BatchPatchAAAARecordParam
		set(&patch.ID.Value, &patch.ID.Present, change.ID)
		setUnlessZero(&patch.Content.Value, &patch.Content.Present, change.Content)
		setUnlessZero(&patch.TTL.Value, &patch.TTL.Present, cfdns.TTL(change.TTL))
		return patch, nil
	}
	return nil, fmt.Errorf("record %s has type %s: only A and AAAA records are changed", change.ID, change.Type)
}

// set fills one of the library's fields. Its own helper, F, lives in the root
// package, which costs minutes of compile time and 17 MB of binary.
func set[T any](value *T, present *bool, v T) { *value, *present = v, true }

func setUnlessZero[T comparable](value *T, present *bool, v T) {
	var zero T
	if v != zero {
		set(value, present, v)
	}
}

// purgeLimit is how many hosts Cloudflare takes in one purge.
const purgeLimit = 100

// PurgeLimit implements dns.Cache.
func (c *Client) PurgeLimit() int { return purgeLimit }

// Purge implements dns.Cache. Beyond the zone's rate (5 a minute on Free) the
// error is report.Transient with the wait that Cloudflare asks for.
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
		return describe("purge cache of "+zone.Name, err)
	}
	return nil
}

package cloudflare

import (
	"context"
	"fmt"
	"slices"

	cfdns "github.com/cloudflare/cloudflare-go/v7/dns"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/report"
)

// Change implements dns.Records with PATCH in one batch. Cloudflare applies a batch
// as one database transaction. PUT would reset the fields that it does not name. If
// there are more changes than the zone's plan allows in a batch, they go in several,
// and each is noted. After a failure the caller reads the records to find out which
// batches were applied.
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
			return withAction(fmt.Sprintf("change %d records of %s", len(batch), zone.Name), err)
		}
	}
	return nil
}

// patchOf returns a patch that names only the fields that change. The library has
// one Go type for each record type. The patch's own Type field must stay unset, or
// it would be sent.
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

// set fills one of the library's optional fields. The library's own helper, F, is in
// its root package, which costs minutes of compile time and 17 MB of binary.
func set[T any](value *T, present *bool, v T) { *value, *present = v, true }

func setUnlessZero[T comparable](value *T, present *bool, v T) {
	var zero T
	if v != zero {
		set(value, present, v)
	}
}

package dns

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// ZoneRecords is a zone with all its records: what `plan` and `runbook` show, and
// what Derive reads. It marshals to JSON with every field of the vendor.
type ZoneRecords struct {
	Zone    Zone     `json:"zone"`
	Records []Record `json:"records"` // by name, type, ID
}

// zonesAtOnce limits how many zones are read concurrently: it keeps a snapshot of
// many zones well below the vendor's rate limit.
const zonesAtOnce = 4

// Snapshot reads the named zones concurrently and returns them in the order of names,
// with sorted records.
func Snapshot(ctx context.Context, zones Zones, records Records, names []string) ([]ZoneRecords, error) {
	found, err := zones.Zones(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("find zones: %w", err)
	}
	out := make([]ZoneRecords, len(found))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(zonesAtOnce)
	for i, zone := range found {
		group.Go(func() error {
			list, err := records.Records(ctx, zone)
			if err != nil {
				return fmt.Errorf("read records of %s: %w", zone.Name, err)
			}
			sortRecords(list)
			out[i] = ZoneRecords{zone, list}
			return nil
		})
	}
	return out, group.Wait()
}

func sortRecords(list []Record) {
	slices.SortFunc(list, func(a, b Record) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		if c := strings.Compare(a.Type, b.Type); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

package cloudflare

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	cfdns "github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/zones"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/report"
)

// Page sizes. That of zones is the API's maximum. That of records takes most zones in
// one answer, so that no page boundary moves while the records are read.
const (
	zonesPerPage   = 50
	recordsPerPage = 5000
)

// Changes that one batch takes, by the zone's plan.
const (
	batchLimitFree = 200
	batchLimit     = 3500
)

// page is one page of a list, as the API answers it.
type page struct {
	Result     []json.RawMessage `json:"result"`
	ResultInfo struct {
		TotalPages int `json:"total_pages"`
		TotalCount int `json:"total_count"`
	} `json:"result_info"`
}

// list reads all pages of a list. It returns a report.Transient error if the list
// changed while it was read.
func list(ctx context.Context, fetch func(ctx context.Context, number int, into *page) error) ([]json.RawMessage, error) {
	var all []json.RawMessage
	for number := 1; ; number++ {
		var p page
		if err := fetch(ctx, number, &p); err != nil {
			return nil, err
		}
		all = append(all, p.Result...)
		if number < p.ResultInfo.TotalPages {
			continue
		}
		if total := p.ResultInfo.TotalCount; total > 0 && len(all) != total {
			return nil, report.Transient(fmt.Errorf("the list changed while it was read: %d of %d", len(all), total), 0)
		}
		return all, nil
	}
}

type apiZone struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Status      string   `json:"status"`
	NameServers []string `json:"name_servers"`
	Plan        struct {
		LegacyID string `json:"legacy_id"`
		Name     string `json:"name"`
	} `json:"plan"`
}

// Zones implements dns.Zones.
func (c *Client) Zones(ctx context.Context, names []string) ([]dns.Zone, error) {
	raw, err := list(ctx, func(ctx context.Context, number int, into *page) error {
		var params zones.ZoneListParams
		set(&params.Page.Value, &params.Page.Present, float64(number))
		set(&params.PerPage.Value, &params.PerPage.Present, zonesPerPage)
		_, err := c.zones.List(ctx, params, option.WithResponseBodyInto(into))
		return err
	})
	if err != nil {
		return nil, withAction("list zones", err)
	}
	byName := map[string]dns.Zone{}
	var visible []string
	for _, r := range raw {
		var z apiZone
		if err := json.Unmarshal(r, &z); err != nil {
			return nil, fmt.Errorf("read zone: %w", err)
		}
		if name := strings.ToLower(z.Name); !byName[name].Active { // an active zone wins over one of the same name in another account
			byName[name] = z.zone()
		}
		visible = append(visible, z.Name)
	}
	var out []dns.Zone
	for i, name := range names {
		zone, ok := byName[strings.ToLower(strings.TrimSuffix(name, "."))]
		if !ok {
			err := &dns.SettingError{Setting: fmt.Sprintf("dns.zones[%d]", i), Err: fmt.Errorf("zone %s: %w", name, dns.ErrNoZone)}
			return nil, report.WithHint(err,
				"the token sees %s: correct dns.zones, or give the token Zone Read for the zone", visibleZones(visible))
		}
		out = append(out, zone)
	}
	return out, nil
}

func (z apiZone) zone() dns.Zone {
	out := dns.Zone{
		ID: z.ID, Name: strings.ToLower(z.Name), Plan: z.Plan.LegacyID,
		Active: z.Status == "active", NameServers: z.NameServers, BatchLimit: batchLimit,
	}
	if out.Plan == "" {
		out.Plan = strings.ToLower(z.Plan.Name)
	}
	if out.Plan == "" || strings.HasPrefix(out.Plan, "free") {
		out.BatchLimit = batchLimitFree
	}
	return out
}

func visibleZones(names []string) string {
	if len(names) == 0 {
		return "no zone"
	}
	return phrase.FirstOf(10, names)
}

// Records implements dns.Records.
func (c *Client) Records(ctx context.Context, zone dns.Zone) ([]dns.Record, error) {
	raw, err := list(ctx, func(ctx context.Context, number int, into *page) error {
		var params cfdns.RecordListParams
		set(&params.ZoneID.Value, &params.ZoneID.Present, zone.ID)
		set(&params.Page.Value, &params.Page.Present, float64(number))
		set(&params.PerPage.Value, &params.PerPage.Present, recordsPerPage)
		_, err := c.records.List(ctx, params, option.WithResponseBodyInto(into))
		return err
	})
	if err != nil {
		return nil, withAction("list records of "+zone.Name, err)
	}
	out := make([]dns.Record, 0, len(raw))
	for _, r := range raw {
		var rec dns.Record
		if err := json.Unmarshal(r, &rec); err != nil {
			return nil, fmt.Errorf("read record of %s: %w", zone.Name, err)
		}
		rec.Name, rec.Raw = strings.ToLower(rec.Name), r
		out = append(out, rec)
	}
	return out, nil
}

package move

import (
	"context"
	"slices"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// asBegun leaves out of waves that a cutover has begun to flip what was not in
// them then. A record that somebody adds meanwhile has no before-image there: it
// could not be put back. It is named, and left where it leads.
func (m *Move) asBegun(ctx context.Context, d dns.Derivation, h *plan.History) (dns.Derivation, error) {
	flips, err := journaledFlips(h)
	if err != nil {
		return d, err
	}
	for _, f := range flips {
		had := map[string]bool{}
		for _, image := range f.Images {
			had[image.ID] = true
		}
		for i := range d.Zones {
			if d.Zones[i].Zone.Name == f.Zone {
				d.Zones[i].Waves = onlyHad(ctx, d.Zones[i].Waves, f.Wave, had)
			}
		}
	}
	return d, nil
}

// onlyHad keeps, of the wave named, the records that it had; other waves stay.
func onlyHad(ctx context.Context, waves []dns.WaveFlip, wave string, had map[string]bool) []dns.WaveFlip {
	waves = slices.Clone(waves)
	for i, w := range waves {
		if w.Wave != wave {
			continue
		}
		waves[i].Entries = nil
		for _, e := range w.Entries {
			if had[e.Record.ID] {
				waves[i].Entries = append(waves[i].Entries, e)
				continue
			}
			report.Note(ctx, "%s %s was added after wave %s was begun: the cutover leaves it at %s", e.Record.Name, e.Record.Type, wave, e.Record.Content)
		}
	}
	return waves
}

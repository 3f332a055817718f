package records

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// journaledFlip is a flip of the cutover with its before-image as it was journaled.
type journaledFlip struct {
	dns.PastFlip
	before json.RawMessage
}

// flipsIn are the flips that the cutover made, last first.
func flipsIn(h *plan.History) ([]journaledFlip, error) {
	var out []journaledFlip
	for _, r := range slices.Backward(h.Ours(verb.Cutover)) {
		zone, wave, ok := verb.FlipOf(r.Key)
		if !ok {
			continue
		}
		images, err := dns.ParseImages(r.Before)
		if err != nil {
			return nil, fmt.Errorf("flip of %s, wave %s: %w", zone, wave, err)
		}
		out = append(out, journaledFlip{dns.PastFlip{Zone: zone, Wave: wave, Images: images}, r.Before})
	}
	return out, nil
}

// wavesOf are the waves of flips, each once.
func wavesOf(flips []journaledFlip) []string {
	var out []string
	for _, f := range flips {
		if !slices.Contains(out, f.Wave) {
			out = append(out, f.Wave)
		}
	}
	return out
}

// AsBegun removes, from waves that the cutover has begun to flip, records that were
// not in the wave then. A record that was added since has no before-image in the
// journal, so it could not be put back. It is noted and left as it is.
func AsBegun(ctx context.Context, d dns.Derivation, h *plan.History) (dns.Derivation, error) {
	flips, err := flipsIn(h)
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
				d.Zones[i].Waves = withOnly(ctx, d.Zones[i].Waves, f.Wave, had)
			}
		}
	}
	return d, nil
}

// withOnly removes from the wave of that name the records that it did not have.
func withOnly(ctx context.Context, waves []dns.WaveFlip, wave string, had map[string]bool) []dns.WaveFlip {
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

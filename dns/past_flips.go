package dns

import (
	"net/netip"
	"slices"
)

// PastFlip is a flip that was made: its zone, its wave and its before-images from the
// journal.
type PastFlip struct {
	Zone, Wave string
	Images     []Image
}

// entriesOf returns the records of a flip as they were before it. It leaves out
// those that already led to the target: putting them back changes nothing.
func entriesOf(images []Image) []Entry {
	var out []Entry
	for _, i := range images {
		old, err := netip.ParseAddr(i.Content)
		if err != nil || sameContent(i.Content, i.To) {
			continue
		}
		out = append(out, Entry{Record{ID: i.ID, Name: i.Name, Type: i.Type, Proxied: i.Proxied, Content: i.Content}, old})
	}
	return out
}

// DeriveFromFlips returns what flips that were made mean for zones. It is Derive from
// before-images alone: the current addresses and configuration do not matter. Waves
// are in the order of flips. zones are read only for the names that follow.
func DeriveFromFlips(zones []ZoneRecords, flips []PastFlip) Derivation {
	var out Derivation
	for _, z := range zones {
		flip := ZoneFlip{Zone: z.Zone}
		for _, f := range flips {
			entries := entriesOf(f.Images)
			if f.Zone != z.Zone.Name || len(entries) == 0 {
				continue
			}
			flip.Waves = append(flip.Waves, WaveFlip{f.Wave, entries})
			if !slices.Contains(out.Waves, f.Wave) {
				out.Waves = append(out.Waves, f.Wave)
			}
		}
		out.Zones = append(out.Zones, flip)
	}
	flippingWaves, index := wavesByName(out), newRecordIndex(zones)
	for i, z := range zones {
		out.Zones[i].Followers = index.followers(z, out.Zones[i], flippingWaves)
	}
	return out
}

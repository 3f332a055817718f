package dns

import (
	"net/netip"
	"slices"
)

// Flipped is a flip that was made: its zone and wave, and what it journaled.
type Flipped struct {
	Zone, Wave string
	Images     []Image
}

// EntriesOf are the records of a flip as they were before it. Those that led to
// the target already are left out: putting them back moves nobody.
func EntriesOf(images []Image) []Entry {
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

// DeriveFlipped is what flips that were made mean for zones: the same as Derive,
// but by before-images alone, whatever the records and the configuration are by
// now. Waves are in the order of flips; zones only add what follows.
func DeriveFlipped(zones []ZoneRecords, flips []Flipped) Derivation {
	var out Derivation
	for _, z := range zones {
		flip := ZoneFlip{Zone: z.Zone}
		for _, f := range flips {
			entries := EntriesOf(f.Images)
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
	names, world := flippingNames(out), newWorld(zones)
	for i, z := range zones {
		out.Zones[i].Follow = world.follow(z, out.Zones[i], names)
	}
	return out
}

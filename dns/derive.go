package dns

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// restWave is the wave of every record that no other wave names. It flips last.
const restWave = "rest"

// Wave is a set of records that flip together, by name.
type Wave struct {
	Name    string
	Records []string // names; "*.example.com" is that wildcard record itself
}

// Selection says which records flip.
type Selection struct {
	// Old are the source hosts' addresses.
	Old []netip.Addr
	// Addresses gives the target address of each. The records that flip are found
	// even while a target address is unknown.
	Addresses Addresses
	// Exclude leaves records out: "name" or "name/TYPE".
	Exclude []string
	// Waves are in the order in which they flip.
	Waves []Wave
}

// Entry is one record that flips.
type Entry struct {
	Record Record     `json:"record"`
	Old    netip.Addr `json:"old"` // the source host's address: its content before the flip
}

// WaveFlip is the records of one zone that flip together.
type WaveFlip struct {
	Wave    string  `json:"wave"`
	Entries []Entry `json:"entries"`
}

// ZoneFlip is everything that the move changes, affects or leaves alone in one zone.
type ZoneFlip struct {
	Zone      Zone       `json:"zone"`
	Waves     []WaveFlip `json:"waves"` // only those with records, in the order in which they flip
	Followers []Follower `json:"follow,omitempty"`
	Findings  []Finding  `json:"findings,omitempty"`
	Excluded  []Record   `json:"excluded,omitempty"`
}

// Entries returns the zone's entries of all waves.
func (z ZoneFlip) Entries() []Entry {
	var out []Entry
	for _, w := range z.Waves {
		out = append(out, w.Entries...)
	}
	return out
}

// Hazards returns the zone's findings as hazards for the printed plan.
func (z ZoneFlip) Hazards() []plan.Hazard {
	var out []plan.Hazard
	for _, f := range z.Findings {
		out = append(out, plan.Hazard{Text: f.String()})
	}
	return out
}

// Derivation is the records that flip, the names that follow them, and the findings
// that the operator should look at.
type Derivation struct {
	Zones []ZoneFlip `json:"zones"` // in the order of the snapshot, including those where nothing flips
	Waves []string   `json:"waves"` // only those with records, in the order in which they flip
}

// Derive finds the records that flip: every A and AAAA record whose content is a
// source host's address and that is not excluded. A record that already holds the
// target address of a source host counts too. So Derive finds the same records, and
// the same plan, after a flip was cut short. The flip of such a record is done
// already, so a record that held a target address before the move is not changed.
//
// Derive returns an error with a hint if nothing flips, if an exclusion or a wave
// names a record that does not exist, or if a flip would make two identical records
// or change a record's type.
func Derive(zones []ZoneRecords, sel Selection) (Derivation, error) {
	d := deriver{sel: sel, index: newRecordIndex(zones), sources: map[netip.Addr]netip.Addr{}}
	if err := d.readAddresses(); err != nil {
		return Derivation{}, err
	}
	if err := d.readConfig(); err != nil {
		return Derivation{}, err
	}
	var out Derivation
	flipping := 0
	for _, z := range zones {
		flip := d.deriveZone(z)
		flipping += len(flip.Entries())
		out.Zones = append(out.Zones, flip)
	}
	if err := d.check(zones, flipping); err != nil {
		return Derivation{}, err
	}
	flippingWaves := wavesByName(out)
	for i := range out.Zones {
		out.Zones[i].Followers = d.index.followers(zones[i], out.Zones[i], flippingWaves)
		out.Zones[i].Findings = findings(zones[i], out.Zones[i], flippingWaves, sel.Old)
	}
	for _, wave := range append(waveNames(sel.Waves), restWave) {
		if slices.ContainsFunc(out.Zones, func(z ZoneFlip) bool {
			return slices.ContainsFunc(z.Waves, func(w WaveFlip) bool { return w.Wave == wave })
		}) {
			out.Waves = append(out.Waves, wave)
		}
	}
	return out, nil
}

// deriver is the state of one Derive.
type deriver struct {
	sel           Selection
	index         recordIndex
	sources       map[netip.Addr]netip.Addr // source or target address → source address
	excluded      []exclusion
	waveOf        map[string]string // record name → wave, as configured
	flippingNames map[string]bool   // set of record names
	errs          []error
}

type exclusion struct {
	text, name, kind string // an empty kind matches every type
}

func (e exclusion) matches(r Record) bool {
	return e.name == r.Name && (e.kind == "" || e.kind == r.Type)
}

func (d *deriver) readAddresses() error {
	for _, old := range d.sel.Old {
		target, err := d.sel.Addresses.TargetOf(old)
		switch {
		case errors.Is(err, ErrNotProvisioned):
			continue
		case err != nil:
			return fmt.Errorf("find target address for %s: %w", old, err)
		case target.Is4() != old.Is4():
			return report.WithHint(fmt.Errorf("source address %s would become %s: a record cannot change its type", old, target),
				"give the host an address of the same family at the target, or exclude its records under dns.exclude")
		case slices.Contains(d.sel.Old, target): // after a flip, it would be unknown which host a record was for
			return report.WithHint(fmt.Errorf("target address %s for %s is a source host's address", target, old),
				"give the target host an address of its own")
		}
		d.sources[target] = old
	}
	for _, old := range d.sel.Old {
		d.sources[old] = old
	}
	return nil
}

func (d *deriver) readConfig() error {
	d.waveOf, d.flippingNames = map[string]string{}, map[string]bool{}
	for i, text := range d.sel.Exclude {
		name, kind, _ := strings.Cut(text, "/")
		e := exclusion{text, canonical(name), strings.ToUpper(strings.TrimSpace(kind))}
		if !slices.ContainsFunc(d.index.records, e.matches) {
			return report.WithHint(&SettingError{fmt.Sprintf("dns.exclude[%d]", i), fmt.Errorf("dns.exclude: no record %q in the zones", text)},
				"correct the name, or take it out of dns.exclude: a misspelt exclusion would flip the record that it means")
		}
		d.excluded = append(d.excluded, e)
	}
	for _, wave := range d.sel.Waves {
		for _, name := range wave.Records {
			name = canonical(name)
			if other, ok := d.waveOf[name]; ok && other != wave.Name {
				err := fmt.Errorf("cutover.waves: %s is in the waves %s and %s", name, other, wave.Name)
				return report.WithHint(&SettingError{"cutover.waves", err}, "keep it in one")
			}
			d.waveOf[name] = wave.Name
		}
	}
	return nil
}

// deriveZone selects the zone's records that flip and sorts them into waves.
func (d *deriver) deriveZone(z ZoneRecords) ZoneFlip {
	out := ZoneFlip{Zone: z.Zone}
	waves := map[string][]Entry{}
	afterFlip := map[string]Record{} // name, type and content after the flip → record
	var flipping []Entry
	for _, r := range z.Records {
		addr, isAddress := recordAddress(r)
		old, isSource := d.sources[addr]
		if isAddress && isSource && slices.ContainsFunc(d.excluded, func(e exclusion) bool { return e.matches(r) }) {
			out.Excluded = append(out.Excluded, r)
			isSource = false
		}
		if !isAddress || !isSource {
			if isAddress {
				afterFlip[r.String()+" "+addr.String()] = r
			}
			continue
		}
		flipping = append(flipping, Entry{r, old})
	}
	for _, e := range flipping {
		d.flippingNames[e.Record.Name] = true
		d.checkCollision(e, afterFlip)
		wave, ok := d.waveOf[e.Record.Name]
		if !ok {
			wave = restWave
		}
		waves[wave] = append(waves[wave], e)
	}
	for _, name := range append(waveNames(d.sel.Waves), restWave) {
		if entries := waves[name]; len(entries) > 0 {
			out.Waves = append(out.Waves, WaveFlip{name, entries})
			delete(waves, name)
		}
	}
	return out
}

// checkCollision records an error if the flipped record would be identical to
// another: the vendor refuses such a record, and with it the whole batch.
func (d *deriver) checkCollision(e Entry, afterFlip map[string]Record) {
	target, err := d.sel.Addresses.TargetOf(e.Old)
	if err != nil {
		return // the target address is not known yet
	}
	key := e.Record.String() + " " + target.String()
	if other, ok := afterFlip[key]; ok && other.ID != e.Record.ID {
		d.errs = append(d.errs, report.WithHint(
			fmt.Errorf("%s: two records would both become %s (%s now, and %s)", e.Record, target, e.Record.Content, other.Content),
			"delete one of the two, or name it in dns.exclude"))
	}
	afterFlip[key] = e.Record
}

func (d *deriver) check(zones []ZoneRecords, flipping int) error {
	if flipping == 0 {
		err := fmt.Errorf("no record of %s has a source host's address (%s)", zoneNames(zones), addressList(d.sel.Old))
		return report.WithHint(&SettingError{"dns.zones", err},
			"compare hosts[].address with the zones' A and AAAA records; dns.zones and dns.exclude say where to look")
	}
	for i, wave := range d.sel.Waves {
		for j, name := range wave.Records {
			if name = canonical(name); !d.flippingNames[name] {
				err := fmt.Errorf("cutover.waves: %s of wave %s does not flip: %s", name, wave.Name, d.index.describe(name))
				d.errs = append(d.errs, report.WithHint(&SettingError{fmt.Sprintf("cutover.waves[%d].records[%d]", i, j), err},
					"name only records with a source host's address; a CNAME flips with the record that it points at"))
			}
		}
	}
	switch len(d.errs) {
	case 0:
		return nil
	case 1:
		return d.errs[0]
	}
	return fmt.Errorf("%w (and %d more)", d.errs[0], len(d.errs)-1)
}

func waveNames(waves []Wave) []string {
	var out []string
	for _, w := range waves {
		if !slices.Contains(out, w.Name) && w.Name != restWave {
			out = append(out, w.Name)
		}
	}
	return out
}

func zoneNames(zones []ZoneRecords) string {
	var names []string
	for _, z := range zones {
		names = append(names, z.Zone.Name)
	}
	return shortList(names)
}

func addressList(addrs []netip.Addr) string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return shortList(out)
}

// wavesByName maps each record name that flips to its wave.
func wavesByName(d Derivation) map[string]string {
	names := map[string]string{}
	for _, z := range d.Zones {
		for _, w := range z.Waves {
			for _, e := range w.Entries {
				names[e.Record.Name] = w.Wave
			}
		}
	}
	return names
}

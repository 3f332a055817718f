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

// RestWave is the wave of every record that no other wave names. It comes last.
const RestWave = "rest"

// Wave is a set of records that flip together, by name.
type Wave struct {
	Name    string
	Records []string // names; "*.example.com" is that wildcard record itself
}

// Selection says which records flip.
type Selection struct {
	// Old are the source hosts' addresses.
	Old []netip.Addr
	// Addresses gives the target address of each. While it is not known yet, the
	// records still are.
	Addresses Addresses
	// Exclude leaves records out: "name" or "name/TYPE".
	Exclude []string
	// Waves in the order in which they flip.
	Waves []Wave
}

// Entry is one record that flips.
type Entry struct {
	Record Record     `json:"record"`
	Old    netip.Addr `json:"old"` // the source host's address: its content before the flip
}

// WaveFlip is what flips together in one zone.
type WaveFlip struct {
	Wave    string  `json:"wave"`
	Entries []Entry `json:"entries"`
}

// ZoneFlip is everything that the move means for one zone.
type ZoneFlip struct {
	Zone     Zone       `json:"zone"`
	Waves    []WaveFlip `json:"waves"` // those with records, in their order
	Follow   []Follow   `json:"follow,omitempty"`
	Findings []Finding  `json:"findings,omitempty"`
	Excluded []Record   `json:"excluded,omitempty"`
}

// Entries returns the zone's entries of all waves.
func (z ZoneFlip) Entries() []Entry {
	var out []Entry
	for _, w := range z.Waves {
		out = append(out, w.Entries...)
	}
	return out
}

// Hazards are the zone's findings for the printed plan.
func (z ZoneFlip) Hazards() []plan.Hazard {
	var out []plan.Hazard
	for _, f := range z.Findings {
		out = append(out, plan.Hazard{Text: f.String()})
	}
	return out
}

// Derivation is what flips, what follows, and what the operator should look at.
type Derivation struct {
	Zones []ZoneFlip `json:"zones"` // in the order of the snapshot, also those where nothing flips
	Waves []string   `json:"waves"` // that have records, in the order in which they flip
}

// Derive finds the records that flip: every A and AAAA record whose content is
// a source host's address, less what is excluded. A record that holds the target
// address of a source host already counts too, so that the same records, and the
// same plan, are found after a flip was cut short: such a record is done already,
// and a record that was there before the move is not changed by it.
//
// It is an error, with a hint, when nothing flips, when an exclusion or a wave
// names a record that is not there, and when a flip would make two identical
// records or change a record's type.
func Derive(zones []ZoneRecords, sel Selection) (Derivation, error) {
	d := deriver{sel: sel, world: newWorld(zones), sources: map[netip.Addr]netip.Addr{}}
	if err := d.learnAddresses(); err != nil {
		return Derivation{}, err
	}
	if err := d.readConfig(); err != nil {
		return Derivation{}, err
	}
	var out Derivation
	flipping := 0
	for _, z := range zones {
		flip := d.zone(z)
		flipping += len(flip.Entries())
		out.Zones = append(out.Zones, flip)
	}
	if err := d.problems(zones, flipping); err != nil {
		return Derivation{}, err
	}
	names := flippingNames(out)
	for i := range out.Zones {
		out.Zones[i].Follow = d.world.follow(zones[i], out.Zones[i], names)
		out.Zones[i].Findings = findings(zones[i], out.Zones[i], names, sel.Old)
	}
	for _, wave := range append(waveNames(sel.Waves), RestWave) {
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
	sel      Selection
	world    world
	sources  map[netip.Addr]netip.Addr // an address that flips, old or new → the old one
	excluded []exclusion
	waves    map[string]string // name → wave
	flips    map[string]bool   // names that flip
	errs     []error
}

type exclusion struct {
	text, name, kind string // kind "" is every type
}

func (e exclusion) matches(r Record) bool {
	return e.name == r.Name && (e.kind == "" || e.kind == r.Type)
}

func (d *deriver) learnAddresses() error {
	for _, old := range d.sel.Old {
		to, err := d.sel.Addresses.New(old)
		switch {
		case errors.Is(err, ErrNotProvisioned):
			continue
		case err != nil:
			return fmt.Errorf("find target address for %s: %w", old, err)
		case to.Is4() != old.Is4():
			return report.WithHint(fmt.Errorf("source address %s would become %s: a record cannot change its type", old, to),
				"give the host an address of the same family at the target, or exclude its records under dns.exclude")
		case slices.Contains(d.sel.Old, to): // after a flip nobody could tell which host a record was for
			return report.WithHint(fmt.Errorf("target address %s for %s is a source host's address", to, old),
				"give the target host an address of its own")
		}
		d.sources[to] = old
	}
	for _, old := range d.sel.Old {
		d.sources[old] = old
	}
	return nil
}

func (d *deriver) readConfig() error {
	d.waves, d.flips = map[string]string{}, map[string]bool{}
	for i, text := range d.sel.Exclude {
		name, kind, _ := strings.Cut(text, "/")
		e := exclusion{text, canonical(name), strings.ToUpper(strings.TrimSpace(kind))}
		if !slices.ContainsFunc(d.world.records, e.matches) {
			return report.WithHint(&SettingError{fmt.Sprintf("dns.exclude[%d]", i), fmt.Errorf("dns.exclude: no record %q in the zones", text)},
				"correct the name, or take it out of dns.exclude: a misspelt exclusion would flip the record that it means")
		}
		d.excluded = append(d.excluded, e)
	}
	for _, wave := range d.sel.Waves {
		for _, name := range wave.Records {
			name = canonical(name)
			if other, ok := d.waves[name]; ok && other != wave.Name {
				err := fmt.Errorf("cutover.waves: %s is in the waves %s and %s", name, other, wave.Name)
				return report.WithHint(&SettingError{"cutover.waves", err}, "keep it in one")
			}
			d.waves[name] = wave.Name
		}
	}
	return nil
}

// zone picks the zone's records and sorts them into waves.
func (d *deriver) zone(z ZoneRecords) ZoneFlip {
	flip := ZoneFlip{Zone: z.Zone}
	waves := map[string][]Entry{}
	after := map[string]Record{} // name, type, content once flipped → record
	var picked []Entry
	for _, r := range z.Records {
		a, isAddress := address(r)
		old, flips := d.sources[a]
		if isAddress && flips && slices.ContainsFunc(d.excluded, func(e exclusion) bool { return e.matches(r) }) {
			flip.Excluded = append(flip.Excluded, r)
			flips = false
		}
		if !isAddress || !flips {
			if isAddress {
				after[r.String()+" "+a.String()] = r
			}
			continue
		}
		picked = append(picked, Entry{r, old})
	}
	for _, e := range picked {
		d.flips[e.Record.Name] = true
		d.collide(e, after)
		wave, ok := d.waves[e.Record.Name]
		if !ok {
			wave = RestWave
		}
		waves[wave] = append(waves[wave], e)
	}
	for _, name := range append(waveNames(d.sel.Waves), RestWave) {
		if entries := waves[name]; len(entries) > 0 {
			flip.Waves = append(flip.Waves, WaveFlip{name, entries})
			delete(waves, name)
		}
	}
	return flip
}

// collide notes an error when the flipped record would be identical to another:
// the vendor refuses that, and with it the whole batch.
func (d *deriver) collide(e Entry, after map[string]Record) {
	to, err := d.sel.Addresses.New(e.Old)
	if err != nil {
		return // not known yet
	}
	key := e.Record.String() + " " + to.String()
	if other, ok := after[key]; ok && other.ID != e.Record.ID {
		d.errs = append(d.errs, report.WithHint(
			fmt.Errorf("%s: two records would both become %s (%s now, and %s)", e.Record, to, e.Record.Content, other.Content),
			"delete one of the two, or name it in dns.exclude"))
	}
	after[key] = e.Record
}

func (d *deriver) problems(zones []ZoneRecords, flipping int) error {
	if flipping == 0 {
		err := fmt.Errorf("no record of %s has a source host's address (%s)", zoneNames(zones), addressList(d.sel.Old))
		return report.WithHint(&SettingError{"dns.zones", err},
			"compare hosts[].address with the zones' A and AAAA records; dns.zones and dns.exclude say where to look")
	}
	for i, wave := range d.sel.Waves {
		for j, name := range wave.Records {
			if name = canonical(name); !d.flips[name] {
				err := fmt.Errorf("cutover.waves: %s of wave %s does not flip: %s", name, wave.Name, d.world.why(name))
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
		if !slices.Contains(out, w.Name) && w.Name != RestWave {
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

// flippingNames maps each name that flips to its wave.
func flippingNames(d Derivation) map[string]string {
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

package diff

import (
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// pair is the comparison of two hosts or roles.
type pair struct {
	report          *Report
	name            string
	old             *profile
	new             *profile
	hidden          map[inventory.Missing]int
	reported        map[string]bool // differences already reported for configuration files
	withoutContents []NotCompared   // traits whose contents cannot be compared
}

func (r *Report) comparePair(before, after *profile) {
	p := &pair{report: r, name: before.name, old: before, new: after, hidden: map[inventory.Missing]int{}, reported: map[string]bool{}}
	if after.name != before.name {
		p.name += " → " + after.name
	}
	for _, m := range traits.Pair(before.items, after.items) {
		switch {
		case m.New == nil:
			p.oneSided(OnlyOld, *m.Old, after)
		case m.Old == nil:
			p.oneSided(OnlyNew, *m.New, before)
		default:
			p.compareFields(*m.Old, *m.New)
		}
	}
	p.notCompared()
}

// Members compares each host of a role with the traits that most of its hosts have.
// It returns those traits, and a report for each host in the order of the hosts.
func Members(role Side) ([]traits.Item, []*Report) {
	usual := role.profile(role.Hosts...)
	one := role
	one.Kind = One
	var reports []*Report
	for _, h := range role.Hosts {
		r := &Report{Old: role.Label, New: h.Name}
		r.comparePair(usual, one.profile(h))
		reports = append(reports, r)
	}
	return usual.items, reports
}

// oneSided reports a trait that only one side has, unless the capture of the other
// side could not see it.
func (p *pair) oneSided(side string, i traits.Item, other *profile) {
	if m, ok := other.unknown.Trait(i.Trait); ok {
		p.hidden[m]++
		return
	}
	d := Difference{Host: p.name, At: i.At, What: i.String(), Only: side, ID: i.ID}
	if side == OnlyOld {
		d.Old = summaryOf(i)
	} else {
		d.New = summaryOf(i)
	}
	d.Class, d.Why = p.judgeOneSided(side, i)
	p.add(d, i.Name+" "+side)
}

// compareFields compares the fields of a trait that both sides have.
func (p *pair) compareFields(oldItem, newItem traits.Item) {
	for k, oldValue := range oldItem.Values {
		newValue := newItem.Values[k]
		if oldValue.Text == newValue.Text {
			continue
		}
		if m, ok := p.unknownField(oldItem, newItem, oldValue, newValue); ok {
			p.hidden[m]++
			continue
		}
		d := Difference{Host: p.name, At: strings.TrimPrefix(oldItem.At+"."+oldValue.Field, "."), Old: readable(oldValue), New: readable(newValue), ID: oldItem.ID}
		d.What = oldItem.String() + ": " + strings.ReplaceAll(strings.TrimSuffix(oldValue.Field, "_bytes"), "_", " ")
		if oldValue.Field == traits.Contents {
			if !p.compareContents(&d, oldItem, newItem, oldValue, newValue) {
				continue
			}
		} else if d.Class, d.Why = p.judge(oldItem, newItem, oldValue, newValue); d.At == "firewall.rules" && d.Class == Drift {
			d.Lines = unifiedDiff(strings.Join(oldValue.Lines, "\n")+"\n", strings.Join(newValue.Lines, "\n")+"\n")
		}
		p.add(d, oldItem.Name+" "+oldValue.Field)
	}
}

// add reports a difference. A file can be both configuration and one of the files
// that the config names; its difference is reported once.
func (p *pair) add(d Difference, what string) {
	switch place, _, _ := strings.Cut(d.At, "."); place {
	case "configuration":
		p.reported[what] = true
	case "files":
		if p.reported[what] {
			return
		}
	}
	p.report.add(d)
}

// unknownField returns why a capture could not see a field that is empty.
func (p *pair) unknownField(oldItem, newItem traits.Item, oldValue, newValue traits.Value) (inventory.Missing, bool) {
	empty := func(v traits.Value) bool { return v.Text == "" || v.Text == "no" || v.Text == "unexplained" }
	if empty(newValue) {
		if m, ok := p.new.unknown.Field(newItem.Trait, newValue.Field); ok {
			return m, true
		}
	}
	if empty(oldValue) {
		return p.old.unknown.Field(oldItem.Trait, oldValue.Field)
	}
	return inventory.Missing{}, false
}

// notCompared reports what either capture could not see.
func (p *pair) notCompared() {
	for _, m := range p.old.unknown.Missing {
		side := OnlyOld
		if slices.ContainsFunc(p.new.unknown.Missing, func(n inventory.Missing) bool { return n.What == m.What }) {
			side = Both
		}
		p.addNotCompared(m, side)
	}
	for _, m := range p.new.unknown.Missing {
		if !slices.ContainsFunc(p.old.unknown.Missing, func(n inventory.Missing) bool { return n.What == m.What }) {
			p.addNotCompared(m, OnlyNew)
		}
	}
	p.report.NotCompared = append(p.report.NotCompared, p.withoutContents...)
}

func (p *pair) addNotCompared(m inventory.Missing, side string) {
	p.report.NotCompared = append(p.report.NotCompared, NotCompared{
		Host: p.name, What: inventory.Printable(m.What), Side: side, Reason: m.Reason, Detail: validUTF8(m.Detail), Hides: p.hidden[m],
	})
}

// summaryOf returns a trait's most telling field, or "there".
func summaryOf(i traits.Item) string {
	for _, field := range []string{"version", "enabled", "schedule", "process", "value", "rules", traits.Contents} {
		for _, v := range i.Values {
			if v.Field == field && v.Text != "" {
				return readable(v)
			}
		}
	}
	return "there"
}

// readable returns a value as people read it. For contents that is the beginning of
// their hash.
func readable(v traits.Value) string {
	if v.Field == traits.Contents {
		_, sum, _ := strings.Cut(v.Text, ":")
		return sum[:min(len(sum), 12)]
	}
	return v.Text
}

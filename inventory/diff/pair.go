package diff

import (
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// pair compares two hosts, or two roles.
type pair struct {
	report *Report
	name   string
	old    *subject
	new    *subject
	hides  map[inventory.Missing]int
	said   map[string]bool // what is different of files
	reason []NotCompared   // of single traits
}

func (r *Report) pair(before, after *subject) {
	p := &pair{report: r, name: before.name, old: before, new: after, hides: map[inventory.Missing]int{}, said: map[string]bool{}}
	if after.name != before.name {
		p.name += " → " + after.name
	}
	for _, m := range traits.Pair(before.items, after.items) {
		switch {
		case m.New == nil:
			p.only(OnlyOld, *m.Old, after)
		case m.Old == nil:
			p.only(OnlyNew, *m.New, before)
		default:
			p.fields(*m.Old, *m.New)
		}
	}
	p.notCompared()
}

// Members compares each host of a role with what most of them are like, which
// is returned as well. The reports are in the order of the hosts.
func Members(role Side) ([]traits.Item, []*Report) {
	usual := role.subject(role.Hosts...)
	one := role
	one.Kind = One
	var reports []*Report
	for _, h := range role.Hosts {
		r := &Report{Old: role.Label, New: h.Name}
		r.pair(usual, one.subject(h))
		reports = append(reports, r)
	}
	return usual.items, reports
}

// only is a trait that one side has and the other, lacks, has not, or did not
// capture.
func (p *pair) only(side string, i traits.Item, lacks *subject) {
	if m, ok := lacks.unknown.Trait(i.Trait); ok {
		p.hides[m]++
		return
	}
	d := Difference{Host: p.name, At: i.At, What: i.String(), Only: side, ID: i.ID}
	if side == OnlyOld {
		d.Old = brief(i)
	} else {
		d.New = brief(i)
	}
	d.Class, d.Why = p.judgeOnly(side, i)
	p.add(d, i.Name+" "+side)
}

// fields compares what both sides have.
func (p *pair) fields(was, is traits.Item) {
	for k, old := range was.Values {
		now := is.Values[k]
		if old.Text == now.Text {
			continue
		}
		if m, ok := p.unknownField(was, is, old, now); ok {
			p.hides[m]++
			continue
		}
		d := Difference{Host: p.name, At: strings.TrimPrefix(was.At+"."+old.Field, "."), Old: readable(old), New: readable(now), ID: was.ID}
		d.What = was.String() + ": " + strings.ReplaceAll(strings.TrimSuffix(old.Field, "_bytes"), "_", " ")
		if old.Field == traits.Contents {
			if !p.contents(&d, was, is, old, now) {
				continue
			}
		} else if d.Class, d.Why = p.judge(was, is, old, now); d.At == "firewall.rules" && d.Class == Drift {
			d.Lines = unified(strings.Join(old.Lines, "\n")+"\n", strings.Join(now.Lines, "\n")+"\n")
		}
		p.add(d, was.Name+" "+old.Field)
	}
}

// add keeps a difference; one of a file that is configuration, and was named by
// the config as well, is said once.
func (p *pair) add(d Difference, what string) {
	switch place, _, _ := strings.Cut(d.At, "."); place {
	case "configuration":
		p.said[what] = true
	case "files":
		if p.said[what] {
			return
		}
	}
	p.report.add(d)
}

// unknownField finds why a field is empty on a side that could not be asked.
func (p *pair) unknownField(was, is traits.Item, old, now traits.Value) (inventory.Missing, bool) {
	empty := func(v traits.Value) bool { return v.Text == "" || v.Text == "no" || v.Text == "unexplained" }
	if empty(now) {
		if m, ok := p.new.unknown.Field(is.Trait, now.Field); ok {
			return m, true
		}
	}
	if empty(old) {
		return p.old.unknown.Field(was.Trait, old.Field)
	}
	return inventory.Missing{}, false
}

// notCompared lists what either capture lacks.
func (p *pair) notCompared() {
	for _, m := range p.old.unknown.Missing {
		side := OnlyOld
		if slices.ContainsFunc(p.new.unknown.Missing, func(n inventory.Missing) bool { return n.What == m.What }) {
			side = Both
		}
		p.lacks(m, side)
	}
	for _, m := range p.new.unknown.Missing {
		if !slices.ContainsFunc(p.old.unknown.Missing, func(n inventory.Missing) bool { return n.What == m.What }) {
			p.lacks(m, OnlyNew)
		}
	}
	p.report.NotCompared = append(p.report.NotCompared, p.reason...)
}

func (p *pair) lacks(m inventory.Missing, side string) {
	p.report.NotCompared = append(p.report.NotCompared, NotCompared{
		Host: p.name, What: inventory.Printable(m.What), Side: side, Reason: m.Reason, Detail: valid(m.Detail), Hides: p.hides[m],
	})
}

// brief shows a trait that one side lacks by what it is.
func brief(i traits.Item) string {
	for _, field := range []string{"version", "enabled", "schedule", "process", "value", "rules", traits.Contents} {
		for _, v := range i.Values {
			if v.Field == field && v.Text != "" {
				return readable(v)
			}
		}
	}
	return "there"
}

// readable is a value as a line for people; contents are known by their hash.
func readable(v traits.Value) string {
	if v.Field == traits.Contents {
		_, sum, _ := strings.Cut(v.Text, ":")
		return sum[:min(len(sum), 12)]
	}
	return v.Text
}

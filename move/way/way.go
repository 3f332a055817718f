// Package way has the ways to cut over. Each is one value in one file: how it orders a
// switch, what it adds to apply and finish, what it asks of the servers, what it
// promises, and its price in words. It needs the steps that replication makes. It
// promises that nothing outside this package distinguishes ways: whatever depends on
// the way asks the value. A new way is a new file here, and a line in All.
package way

import (
	"slices"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication/preflight"
)

// Way is one way to cut over.
type Way interface {
	// Traits are the way's name, its price in words, and what it promises.
	Traits() Traits
	// Preflight adds to o what the way asks of the servers.
	Preflight(o *preflight.Options, c config.Cutover)
	// Linked returns the stages that apply ends the links with.
	Linked(p Parts) []plan.Stage
	// Switch puts the stages of a cutover, or of a rollback, in order.
	Switch(s Switch) []plan.Stage
	// Finish returns the steps that remove what switches have left on the servers.
	// It is not called for a finish without the source.
	Finish(p Parts) []plan.Step
}

// Traits describe a way.
type Traits struct {
	Name string // as in the configuration: cutover.way
	// Writers and Notice are the price: who takes writes during a switch, and
	// what users notice of it.
	Writers, Notice string
	// Setting is the explanation in the file that migrate init writes.
	Setting string
	// OneWriter promises that at most one side accepts application writes at any
	// moment (I2).
	OneWriter bool
	// NothingFails promises that no request fails because of a switch.
	NothingFails bool
	// TakesOver is the stage whose steps make the side that is entered the writer;
	// empty where only the flip of DNS does. Until one of them has started, a cutover
	// is taken back by undoing it.
	TakesOver string
	Runbook   Runbook
}

// Price is what the way costs, in one sentence.
func (t Traits) Price() string { return t.Writers + "; " + t.Notice }

// Runbook is the part of the runbook that differs between ways: Markdown, as templates
// over the runbook's values, with its blocks "fence", "drain" and "open".
type Runbook struct {
	Cutover   string // list items below the command; may be empty
	BeforeDNS string // the way back by hand, before DNS is changed
	AfterDNS  string // the way back by hand, after DNS was changed; may be empty
}

// Ways are the ways that there are; the first is the default.
type Ways []Way

// All returns the product's ways.
func All() Ways { return Ways{Fence{}, Dual{}} }

// Names lists the names, the default first.
func (ws Ways) Names() []string {
	var names []string
	for _, w := range ws {
		names = append(names, w.Traits().Name)
	}
	return names
}

// Named returns the way of that name.
func (ws Ways) Named(name string) (w Way, ok bool) {
	i := slices.Index(ws.Names(), name)
	if i < 0 {
		return nil, false
	}
	return ws[i], true
}

// Settings are the ways as the configuration knows them.
func (ws Ways) Settings() config.Ways {
	var out config.Ways
	for _, w := range ws {
		t := w.Traits()
		out = append(out, config.Way{Name: t.Name, Text: t.Setting})
	}
	return out
}

// HandedOver reports whether a cutover came as far as letting the target take the
// clients' writes. It asks every way, because the configuration may have changed
// since the cutover began.
func (ws Ways) HandedOver(h *plan.History) bool {
	return slices.ContainsFunc(h.Ours(verb.Cutover), func(r plan.Record) bool {
		_, _, flipped := verb.FlipOf(r.Key)
		return !r.Gate && (flipped || slices.ContainsFunc(ws, func(w Way) bool {
			stage := w.Traits().TakesOver
			return stage != "" && r.Key.Stage == stage
		}))
	})
}

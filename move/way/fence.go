package way

import (
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/guard"
	"github.com/dcmigrate/migrate/replication/preflight"
)

// Fence moves the writers first and DNS after them: one side takes writes at a time.
type Fence struct{}

// Traits implements Way.
func (Fence) Traits() Traits {
	return Traits{
		Name:      "fence",
		Writers:   "one writer at a time",
		Notice:    "writes fail on the old site from the fence until its clients follow DNS",
		Setting:   "one side takes writes at a time; writes fail on the old site from the fence until its clients follow DNS.",
		OneWriter: true,
		TakesOver: verb.StageHandover,
		Runbook: Runbook{
			Cutover: strings.Join([]string{
				"- Both sides refuse writes for at most {{.Budget}}. If anything dies in there, the guard on",
				"  the database host opens one side by itself; then run the same command again.",
			}, "\n"),
			BeforeDNS: strings.Join([]string{
				"First look for a guard on each database host: `ls /run/migrate`. A folder `guard-…` means that a switch",
				"was under way: wait {{.Budget}}, look which side accepts writes (`SELECT @@read_only;`), then end it:",
				"`rm -r /run/migrate/guard-…`.",
				"",
				"For each database, in this order; stop at the first that fails:",
				"{{range .Databases}}",
				`{{template "fence" .}}`,
				`{{template "drain" .}}`,
				`{{template "open" .}}`,
				"{{- end}}",
			}, "\n"),
		},
	}
}

// Preflight asks whether open transactions would let a fence settle in time.
func (Fence) Preflight(o *preflight.Options, c config.Cutover) { o.FenceWait = fenceWait(c) }

// fenceWait is the share of the budget that the fence may wait for open
// transactions; half of the budget is for the drain.
func fenceWait(c config.Cutover) time.Duration { return c.Budget / 4 }

// Linked adds nothing: with one writer at a time, a session's old increment
// collides with nothing.
func (Fence) Linked(Parts) []plan.Stage { return nil }

// Switch implements Way.
func (Fence) Switch(s Switch) []plan.Stage {
	// Clients' writes fail between the hand-over and the flip: no stop there.
	on, flips := s.eventsOn(), slices.Clone(s.Flips)
	on.NoStop = true
	for i := range flips {
		flips[i].NoStop = true
	}
	return slices.Concat([]plan.Stage{s.Gates}, s.handOver(), []plan.Stage{on}, flips, s.watch())
}

// handOver is the critical section: until the side that is entered takes writes, a
// failure takes back all of it.
func (s Switch) handOver() []plan.Stage {
	g := func(p replication.Pair) guard.Guard {
		return guard.Guard{Pair: p.Name, From: s.From(p), To: s.To(p), Budget: s.Cutover.Budget}
	}
	section := []plan.Stage{
		s.eventsOff(),
		s.stage("guard", "a writable side within the budget, whatever dies", func(p replication.Pair) plan.Step { return guard.Arm(g(p)) }),
		s.stage("fence", "the side that is left refuses writes", func(p replication.Pair) plan.Step {
			return guard.Fence(g(p), s.fenceOptions(p, fenceWait(s.Cutover)))
		}),
		s.drain(s.Cutover.Budget / 2),
		s.stage(verb.StageHandover, "the side that is entered takes writes", func(p replication.Pair) plan.Step { return guard.Handover(g(p)) }),
	}
	for i := range section {
		section[i].Critical = true
	}
	section[len(section)-1].Commits = true
	return section
}

// Finish returns nothing: the switches leave nothing behind.
func (Fence) Finish(Parts) []plan.Step { return nil }

package way

import (
	"time"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/pairs"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/conflict"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/schema"
)

// Parts are what a way makes its stages from.
type Parts struct {
	Pairs     pairs.Pairs
	Cutover   config.Cutover
	Conflicts conflict.Store
}

// Switch is a cutover, which enters the target, or a rollback, which enters the
// source: both are the same protocol (docs/protocols.md).
type Switch struct {
	Parts
	Enter replication.Side
	Gates plan.Stage   // what must hold before the switch
	Flips []plan.Stage // DNS follows, wave by wave
}

// From is the server that the writers leave.
func (s Switch) From(p replication.Pair) *replication.Server { return p.Of(s.Enter.Other()) }

// To is the server that the writers enter.
func (s Switch) To(p replication.Pair) *replication.Server { return p.Of(s.Enter) }

// Lag is the gate of little lag from one server to another.
func (p Parts) Lag(from, to *replication.Server) plan.Step {
	return link.LagBelow(from, to, p.Cutover.MaxLag, p.Cutover.SteadyFor)
}

// eventsOff turns scheduled events off before the writers leave a side. eventsOn turns
// them on as soon as the other side takes writes, not after the last wave, which may
// be days later (H8). They are never on on a fenced side: with a privileged definer
// they would write through the fence.
func (s Switch) eventsOff() plan.Stage { return s.events("events-off", s.From, false) }

func (s Switch) eventsOn() plan.Stage { return s.events("events-on", s.To, true) }

func (s Switch) events(name string, side func(replication.Pair) *replication.Server, on bool) plan.Stage {
	return s.stage(name, "scheduled events run on one side only", func(p replication.Pair) plan.Step {
		return schema.Events(side(p), p.Schemas, on)
	})
}

// watch is the gate of little lag towards the side that was left: the way back is open. A
// rollback has none: it must come to its end without the forward link.
func (s Switch) watch() []plan.Stage {
	if s.Enter == replication.Source {
		return nil
	}
	return []plan.Stage{s.stage("watch", "the way back is open", func(p replication.Pair) plan.Step { return s.Lag(s.To(p), s.From(p)) })}
}

// fence makes the side that is left refuse writes. wait bounds how long open
// transactions may take; 0 is replication's default.
func (s Switch) fence(wait time.Duration) plan.Stage {
	return s.stage("fence", "the side that is left refuses writes", func(p replication.Pair) plan.Step {
		return fence.Set(s.From(p), s.fenceOptions(p, wait))
	})
}

func (s Switch) fenceOptions(p replication.Pair, wait time.Duration) fence.Options {
	return fence.Options{Wait: wait, Kill: s.Cutover.KillBlockers, Admins: s.Cutover.Admins, Schemas: p.Schemas}
}

// drain waits until the side that is entered has every write.
func (s Switch) drain(wait time.Duration) plan.Stage {
	return s.stage("drain", "the side that is entered has every write", func(p replication.Pair) plan.Step {
		return link.Drain(s.From(p), s.To(p), wait)
	})
}

func (p Parts) stage(name, summary string, step func(replication.Pair) plan.Step) plan.Stage {
	return plan.Stage{Name: name, Summary: summary, Steps: p.Pairs.Steps(step)}
}

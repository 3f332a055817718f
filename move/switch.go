package move

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
)

// direction is which way a switch goes: a cutover enters the target, a rollback
// the source. Both are the same protocol (docs/protocols.md).
type direction struct{ enter replication.Side }

func (d direction) from(p replication.Pair) *replication.Server { return p.Of(d.enter.Other()) }
func (d direction) to(p replication.Pair) *replication.Server   { return p.Of(d.enter) }

// cutoverStages: gates, the writers change sides, DNS follows.
func (m *Move) cutoverStages(ctx context.Context) ([]plan.Stage, error) {
	d, err := m.records(ctx)
	if err != nil {
		return nil, err
	}
	h, err := m.History()
	if err != nil {
		return nil, err
	}
	if d, err = m.asBegun(ctx, d, h); err != nil {
		return nil, err
	}
	dir := direction{replication.Target}
	// What may take long comes first: the last gates measure right before the switch.
	early := plan.Stage{Name: "ready", Summary: "the data is verified, old TTLs have passed", Steps: append(m.verifyFresh(), m.ttlGate(d))}
	gates := plan.Stage{Name: "gates", Summary: "the target is ready to take over", Steps: slices.Concat(m.linkGates(dir), m.sameColumns(), m.healthy(d))}
	return append([]plan.Stage{early}, m.orderSwitch(dir, gates, m.flipsAndPurges(d))...), nil
}

// rollbackStages: the same way back, with the before-images of the flips.
func (m *Move) rollbackStages(ctx context.Context, o RunOptions) ([]plan.Stage, error) {
	h, err := m.History()
	if err != nil {
		return nil, err
	}
	// The way back must not depend on zones that somebody has edited since.
	d, err := m.journaled(ctx, h)
	if err != nil {
		return nil, err
	}
	back, err := m.flipsBackAndPurges(d, h, o.Force)
	if err != nil {
		return nil, err
	}
	now, err := m.records(ctx)
	if err != nil {
		report.Note(ctx, "the zones are not searched for records that lead to the target by other hands: %v", err)
	}
	for _, name := range m.strays(now, h) {
		report.Note(ctx, "%s leads to the target, but not by this cutover: the rollback leaves it", name)
	}
	dir := direction{replication.Source}
	gates := plan.Stage{Name: "gates", Summary: "the source is ready to take over again", Steps: m.linkGates(dir)}
	gates.Steps = append(gates.Steps, m.sourceHealthy(d)...)
	return m.orderSwitch(dir, gates, back), nil
}

// abandonStages are what a cutover that has not handed over may have begun.
// Taking it back needs the databases only: no zone, no vendor.
func (m *Move) abandonStages() []plan.Stage {
	return m.orderSwitch(direction{replication.Target}, plan.Stage{Name: "gates"}, nil)
}

// orderSwitch puts the stages of a switch in the order of its way: fence moves
// the writers first and DNS after them; dual lets both sides write while DNS moves.
func (m *Move) orderSwitch(dir direction, gates plan.Stage, flips []plan.Stage) []plan.Stage {
	watch := plan.Stage{Name: "watch", Summary: "the way back is open", Steps: m.perPair(func(p replication.Pair) plan.Step {
		return m.lagGate(dir.to(p), dir.from(p))
	})}
	fence := m.Config.Cutover.Way != config.WayDual
	off := m.events("events-off", dir.from, false)
	off.Critical = fence // taken back with the section
	on := m.events("events-on", dir.to, true)
	if fence {
		// Between the hand-over and the flip the clients' writes fail.
		on.NoStop = true
		for i := range flips {
			flips[i].NoStop = true
		}
		return slices.Concat([]plan.Stage{gates, off}, m.handOver(dir), []plan.Stage{on}, flips, []plan.Stage{watch})
	}
	unfence := plan.Stage{Name: "unfence", Summary: "both sides take writes", Steps: m.perPair(func(p replication.Pair) plan.Step {
		return replication.Unfence(dir.to(p))
	})}
	return slices.Concat([]plan.Stage{gates, off, m.conflictWindow(), unfence, on}, flips, m.leave(dir), []plan.Stage{watch})
}

// handOver is the critical section of way fence.
func (m *Move) handOver(dir direction) []plan.Stage {
	critical := func(name, summary string, make func(replication.Pair) plan.Step) plan.Stage {
		return plan.Stage{Name: name, Summary: summary, Critical: true, Steps: m.perPair(make)}
	}
	budget := m.Config.Cutover.Budget
	guard := func(p replication.Pair) replication.Guard {
		return replication.Guard{Pair: p.Name, From: dir.from(p), To: dir.to(p), Budget: budget}
	}
	return []plan.Stage{
		critical("guard", "a writable side within the budget, whatever dies", func(p replication.Pair) plan.Step { return replication.ArmGuard(guard(p)) }),
		critical("fence", "the side that is left refuses writes", func(p replication.Pair) plan.Step {
			return replication.Fence(dir.from(p), m.fenceOptions(budget/4))
		}),
		critical("drain", "the side that is entered has every write", func(p replication.Pair) plan.Step {
			return replication.Drain(dir.from(p), dir.to(p), budget/2)
		}),
		critical(stageHandover, "the side that is entered takes writes", func(p replication.Pair) plan.Step { return replication.Handover(guard(p)) }),
	}
}

// fenceOptions are the limits of a fence; wait 0 is the default.
func (m *Move) fenceOptions(wait time.Duration) replication.FenceOptions {
	return replication.FenceOptions{Wait: wait, Kill: m.Config.Cutover.KillBlockers, Admins: m.Config.Cutover.Admins}
}

// leave is the end of way dual: the side that is left is fenced once nobody
// writes there any more.
func (m *Move) leave(dir direction) []plan.Stage {
	return []plan.Stage{
		{Name: "stragglers", Summary: "no client writes to the side that is left", Steps: m.perPair(func(p replication.Pair) plan.Step {
			return replication.Stragglers(dir.from(p), m.Config.Cutover.Stragglers)
		})},
		{Name: "fence", Summary: "the side that is left refuses writes", Steps: m.perPair(func(p replication.Pair) plan.Step {
			return replication.Fence(dir.from(p), m.fenceOptions(0))
		})},
		m.conflicts(dir),
		{Name: "drain", Summary: "the side that is entered has every write", Steps: m.perPair(func(p replication.Pair) plan.Step {
			return replication.Drain(dir.from(p), dir.to(p), m.Config.Cutover.Budget)
		})},
	}
}

// events turns scheduled events off before the writers leave a side, and on
// as soon as the other side takes writes (H8), for waves may be days apart. They
// are never on where they could pass a fence, with a privileged definer.
func (m *Move) events(name string, side func(replication.Pair) *replication.Server, on bool) plan.Stage {
	return plan.Stage{Name: name, Summary: "scheduled events run on one side only", Steps: m.perPair(func(p replication.Pair) plan.Step {
		return replication.Events(side(p), p.Schemas, on)
	})}
}

// linkGates: little lag towards the side that is entered, and a proven way back.
func (m *Move) linkGates(dir direction) []plan.Step {
	return slices.Concat(
		m.perPair(func(p replication.Pair) plan.Step { return m.lagGate(dir.from(p), dir.to(p)) }),
		m.perPair(func(p replication.Pair) plan.Step { return replication.RoundTrip(dir.to(p), dir.from(p)) }))
}

// sameColumns: rows that travel by position land in their columns. The way back
// does without: it must not depend on what only the side that is left can mend.
func (m *Move) sameColumns() []plan.Step {
	return m.perPair(func(p replication.Pair) plan.Step { return replication.SameColumns(p, replication.Source) })
}

func (m *Move) lagGate(from, to *replication.Server) plan.Step {
	return replication.LagBelow(from, to, m.Config.Cutover.MaxLag, m.Config.Cutover.SteadyFor)
}

// sourceHealthy is I4 for the way back: the old site answers at its own addresses.
func (m *Move) sourceHealthy(d dns.Derivation) []plan.Step {
	return m.healthyAt(entriesOf(d), "source-healthy", m.staying())
}

func addrOf(m *Move, host string) netip.Addr {
	h, _ := m.Config.Host(host)
	return h.Address.Addr
}

// handedOver reports whether a cutover came to where the target takes the
// clients' writes, in either way: before that, taking it back is only an undo.
func handedOver(h *plan.History) bool {
	return slices.ContainsFunc(h.Ours(Cutover), func(r plan.Record) bool {
		_, _, flipped := flipOf(r.Key)
		return !r.Gate && (r.Key.Stage == stageHandover || flipped)
	})
}

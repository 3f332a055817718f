package move

import (
	"context"
	"net/netip"
	"slices"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
)

// parts are what the way makes its stages of.
func (m *Move) parts() way.Parts {
	return way.Parts{Pairs: m.pairs, Cutover: m.Config.Cutover, Conflicts: conflictFiles{m}}
}

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
	s := way.Switch{Parts: m.parts(), Enter: replication.Target, Flips: m.flipsAndPurges(d)}
	// What may take long comes first: the last gates measure right before the switch.
	early := plan.Stage{Name: "ready", Summary: "the data is verified, old TTLs have passed", Steps: append(m.verifyFresh(), m.ttlGate(d))}
	s.Gates = plan.Stage{Name: "gates", Summary: "the target is ready to take over", Steps: slices.Concat(m.linkGates(s), m.sameColumns(), m.healthy(d))}
	return append([]plan.Stage{early}, m.way.Switch(s)...), nil
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
	s := way.Switch{Parts: m.parts(), Enter: replication.Source, Flips: back}
	s.Gates = plan.Stage{Name: "gates", Summary: "the source is ready to take over again", Steps: append(m.linkGates(s), m.sourceHealthy(d)...)}
	return m.way.Switch(s), nil
}

// abandonStages are what a cutover that has not handed over may have begun.
// Taking it back needs the databases only: no zone, no vendor.
func (m *Move) abandonStages() []plan.Stage {
	return m.way.Switch(way.Switch{Parts: m.parts(), Enter: replication.Target, Gates: plan.Stage{Name: "gates"}})
}

// linkGates: little lag towards the side that is entered, and a proven way back.
func (m *Move) linkGates(s way.Switch) []plan.Step {
	return slices.Concat(
		m.pairs.Steps(func(p replication.Pair) plan.Step { return s.Lag(s.From(p), s.To(p)) }),
		m.pairs.Steps(func(p replication.Pair) plan.Step { return replication.RoundTrip(s.To(p), s.From(p)) }))
}

// sameColumns: rows that travel by position land in their columns. The way back
// does without: it must not depend on what only the side that is left can mend.
func (m *Move) sameColumns() []plan.Step {
	return m.pairs.Steps(func(p replication.Pair) plan.Step { return replication.SameColumns(p, replication.Source) })
}

// sourceHealthy is I4 for the way back: the old site answers at its own addresses.
func (m *Move) sourceHealthy(d dns.Derivation) []plan.Step {
	return m.healthyAt(entriesOf(d), "source-healthy", m.staying())
}

func addrOf(m *Move, host string) netip.Addr {
	h, _ := m.Config.Host(host)
	return h.Address.Addr
}

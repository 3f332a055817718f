package move

import (
	"slices"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// seedBy is the first full copy of a pair by rows or by its files, as its entry
// in databases[] wants it.
func (m *Move) seedBy(p replication.Pair) plan.Step {
	return replication.SeedBy(p, m.seed(p), m.seedWay(p))
}

// seedWay is what databases[] says of the pair's files.
func (m *Move) seedWay(p replication.Pair) replication.PhysicalOptions {
	d := m.Config.Databases[slices.IndexFunc(m.Config.Databases, func(d config.Database) bool { return d.Name == p.Name })]
	return replication.PhysicalOptions{
		Way: replication.Way(d.Seed), BytesPerSecond: int64(d.Throttle.Rate),
		MostRunning: d.Throttle.ThreadsRunning, ReplicaLag: d.Throttle.ReplicaLag,
	}
}

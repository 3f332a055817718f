package plans

import (
	"os"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/seed/physical"
	"github.com/dcmigrate/migrate/replication/seed/worker"
)

// SeedWorkerVerb is the hidden verb of a seed's worker on the target's host.
const SeedWorkerVerb = "seed-worker"

// seedOf is the first full copy of a pair: by rows or by the server's files, as its
// entry in databases[] says.
func seedOf(p replication.Pair, d config.Database) plan.Step {
	return physical.Step(p, rowsOf(p, d), physical.Options{
		Method: physical.Method(d.Seed), BytesPerSecond: int64(d.Throttle.Rate),
		MostRunning: d.Throttle.ThreadsRunning, ReplicaLag: d.Throttle.ReplicaLag,
	})
}

// rowsOf is the copy by rows, which runs here or on the target's host.
func rowsOf(p replication.Pair, d config.Database) plan.Step {
	options := seed.Options{
		Workers: d.Throttle.Workers, BytesPerSecond: int64(d.Throttle.Rate), MostRunning: d.Throttle.ThreadsRunning,
		ReplicaLag: d.Throttle.ReplicaLag,
	}
	if d.RunOn == config.OnTarget {
		return worker.Step(p, options, seedWorker())
	}
	return seed.StepWith(p, options)
}

// seedWorker is this program as a worker.
func seedWorker() worker.Config {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0] // if it is wrong, copying it fails and says so
	}
	return worker.Config{Program: path, Command: []string{SeedWorkerVerb}}
}

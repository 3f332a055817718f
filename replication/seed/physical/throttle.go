package physical

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// transfer is a running transfer of a server's files, with its throttle and its progress.
// migrate throttle reaches it as it reaches a seed by rows: by a lock and a table on the
// target, whose own server runs meanwhile.
type transfer struct {
	throttle *throttle.Throttle
	meter    *control.Meter
	pair     string
	total    int64 // expected bytes
}

// now returns the progress.
func (f *transfer) now() control.Progress {
	out := f.meter.Now()
	out.Phase, out.Bytes = "files", f.meter.Received()
	out.TotalBytes = max(f.total, out.Bytes)
	if left := out.TotalBytes - out.Bytes; out.Rate > 0 && left > 0 {
		out.Left = time.Duration(float64(left) / out.Rate * float64(time.Second)).Round(time.Second)
	}
	return out
}

// show reports the progress until ctx ends.
func (f *transfer) show(ctx context.Context) {
	for wait.For(ctx, time.Second) == nil {
		p := f.now()
		what := "files of " + f.pair
		if p.Throttle != "" {
			what += ", " + p.Throttle
		}
		report.Show(ctx, report.Progress{Done: p.Bytes, Total: p.TotalBytes, Unit: "B", What: what})
	}
}

// withThrottle runs do, which receives the files. Meanwhile it polls the source's load and
// follows migrate throttle.
func (p *op) withThrottle(ctx context.Context, total int64, do func(context.Context, *transfer) error) error {
	lead, err := control.Take(ctx, p.pair.Target)
	if err != nil {
		return err
	}
	defer lead.Close()
	return (&seed.Op{Pair: p.pair}).Writable(ctx, func(ctx context.Context) error {
		if err := lead.Make(ctx); err != nil {
			return err
		}
		limiter := throttle.New(p.options.limits())
		watch := throttle.NewSourceWatch(p.pair.Source, limiter, throttle.NewReplicaWatch(p.pair.Source))
		f := &transfer{throttle: limiter, meter: control.NewMeter(limiter, watch), pair: p.pair.Name, total: total}
		led, stop := context.WithCancel(ctx)
		var watchers errgroup.Group
		watchers.Go(func() error { watch.Watch(led); return nil })
		watchers.Go(func() error { f.show(led); return nil })
		watchers.Go(func() error {
			if err := lead.Lead(led, p.pair.Name, p.options.limits(), limiter, f.now); err != nil {
				report.Note(ctx, "migrate throttle does not reach this seed any more: %v", err) // not worth a new attempt
			}
			return nil
		})
		err := do(ctx, f)
		stop()
		_ = watchers.Wait() // they return no error
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
		defer cancel()
		return cmp.Or(err, p.dropControl(after))
	})
}

// dropControl drops the control table, and migrate's schema if nothing is left in it.
func (p *op) dropControl(ctx context.Context) error {
	return (&seed.Op{Pair: p.pair}).Quietly(ctx, func(session *replication.Session) error {
		return report.Wrap("drop the seed's control table on "+p.pair.Target.Name(), replication.DropOwnTables(ctx, session, schema.SeedControl))
	})
}

// minCloneRate is the lowest rate of CLONE, in MiB a second. It cannot be paused: a clone
// that waits for long fails.
const minCloneRate = 1

// cloneRate is the rate that the throttle allows CLONE now, in MiB a second; 0 is no limit.
func cloneRate(t *throttle.Throttle) int64 {
	bytesPerSecond, held := t.Allowed()
	switch {
	case held:
		return minCloneRate
	case bytesPerSecond == 0:
		return 0
	}
	return max(bytesPerSecond>>20, minCloneRate)
}

// setCloneRate sets the rate of the target's clones, including a running one.
func (p *op) setCloneRate(ctx context.Context, rate int64) error {
	db, err := p.pair.Target.DB(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"clone_max_network_bandwidth", "clone_max_data_bandwidth"} {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("SET GLOBAL %s = %d", name, rate)); err != nil {
			return p.pair.Target.Wrap("hold the clone to its rate", err)
		}
	}
	return nil
}

// followClone keeps the clone's rate to the throttle and counts the received bytes, until
// ctx ends.
func (p *op) followClone(ctx context.Context, f *transfer, rate int64) {
	for wait.For(ctx, time.Second) == nil {
		if now := cloneRate(f.throttle); now != rate {
			if err := p.setCloneRate(ctx, now); err != nil {
				if ctx.Err() == nil {
					report.Note(ctx, "the clone keeps its rate: %v", err)
				}
				continue
			}
			rate = now
			if f.throttle.Current().Paused {
				report.Note(ctx, "CLONE cannot be paused: it is held to %d MiB a second", minCloneRate)
			}
		}
		if done, err := p.clonedBytes(ctx); err == nil { // after an error the next poll counts them
			f.meter.Add(table.Name{}, 0, done-f.meter.Received())
		}
	}
}

package replication

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// fileSeed is the receiving of a server's files while it runs: what holds it
// back, and how far it is. migrate throttle reaches it as it does a copy of rows:
// by a lock and a table on the target, whose own server runs meanwhile.
type fileSeed struct {
	limit    *throttle
	progress *progress
	pair     string
	total    int64 // bytes that are expected
}

// now is how far it is.
func (f *fileSeed) now() SeedProgress {
	out := f.progress.now()
	out.Phase, out.Bytes = "files", f.progress.received()
	out.TotalBytes = max(f.total, out.Bytes)
	if left := out.TotalBytes - out.Bytes; out.Rate > 0 && left > 0 {
		out.Left = time.Duration(float64(left) / out.Rate * float64(time.Second)).Round(time.Second)
	}
	return out
}

// show reports until ctx ends.
func (f *fileSeed) show(ctx context.Context) {
	for wait.For(ctx, time.Second) == nil {
		p := f.now()
		what := "files of " + f.pair
		if p.Throttle != "" {
			what += ", " + p.Throttle
		}
		report.Show(ctx, report.Progress{Done: p.Bytes, Total: p.TotalBytes, Unit: "B", What: what})
	}
}

// throttled runs do, which receives the files, while migrate throttle reaches it
// and the source is looked after.
func (p *physical) throttled(ctx context.Context, total int64, do func(context.Context, *fileSeed) error) error {
	control, err := takeControl(ctx, p.pair.Target)
	if err != nil {
		return err
	}
	defer control.close()
	return (&seed{pair: p.pair}).writable(ctx, func(ctx context.Context) error {
		if err := p.makeControl(ctx, control); err != nil {
			return err
		}
		limit := newThrottle(p.options.limits())
		watch := newSourceWatch(p.pair.Source, limit, newReplicaWatch(p.pair.Source))
		f := &fileSeed{limit: limit, progress: newProgress(limit, watch), pair: p.pair.Name, total: total}
		led, stop := context.WithCancel(ctx)
		var watchers errgroup.Group
		watchers.Go(func() error { watch.watch(led); return nil })
		watchers.Go(func() error { f.show(led); return nil })
		watchers.Go(func() error {
			if err := control.lead(led, p.pair.Name, p.options.limits(), limit, f.now); err != nil {
				report.Note(ctx, "migrate throttle does not reach this seed any more: %v", err) // no reason to begin anew
			}
			return nil
		})
		err := do(ctx, f)
		stop()
		_ = watchers.Wait() // they have no error
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
		defer cancel()
		return firstError(err, p.dropControl(after))
	})
}

// makeControl makes the table by which the seed is led, and the schema for it.
func (p *physical) makeControl(ctx context.Context, control *seedControl) error {
	if _, err := control.session.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+Quote(ownSchema)); err != nil {
		return p.pair.Target.wrap("make the seed's schema", err)
	}
	return control.make(ctx)
}

// dropControl drops what makeControl made, the schema only where it is empty.
func (p *physical) dropControl(ctx context.Context) error {
	return (&seed{pair: p.pair}).quietly(ctx, func(session *Session) error {
		there, err := queryText(ctx, session, "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", ownSchema)
		if err != nil || there == "0" {
			return wrapErr("look for the seed's schema on "+p.pair.Target.Name(), err)
		}
		statements := []string{"DROP TABLE IF EXISTS " + QuoteTable(ownSchema, controlTable)}
		others, err := queryText(ctx, session, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME <> ?", ownSchema, controlTable)
		if err == nil && others == "0" {
			statements = append(statements, "DROP DATABASE IF EXISTS "+Quote(ownSchema))
		}
		for _, statement := range statements {
			if _, failed := session.ExecContext(ctx, statement); failed != nil {
				err = firstError(err, failed)
			}
		}
		return wrapErr("drop the seed's control table on "+p.pair.Target.Name(), err)
	})
}

// leastClone is the least that CLONE can be held to, in MiB a second: it cannot
// be paused, for it ends when it waits for long.
const leastClone = 1

// cloneRate is what CLONE may take now, in MiB a second; 0 is no limit.
func cloneRate(t *throttle) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.causes) > 0:
		return leastClone
	case t.limits.BytesPerSecond == 0:
		return 0
	}
	return max(t.limits.BytesPerSecond>>20, leastClone)
}

// setCloneRate holds the target's clone, also one that runs, to the throttle.
func (p *physical) setCloneRate(ctx context.Context, rate int64) error {
	db, err := p.pair.Target.DB(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"clone_max_network_bandwidth", "clone_max_data_bandwidth"} {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("SET GLOBAL %s = %d", name, rate)); err != nil {
			return p.pair.Target.wrap("hold the clone to its rate", err)
		}
	}
	return nil
}

// followClone keeps the clone to the throttle, and counts what has come, until ctx ends.
func (p *physical) followClone(ctx context.Context, f *fileSeed, rate int64) {
	for wait.For(ctx, time.Second) == nil {
		if now := cloneRate(f.limit); now != rate {
			if err := p.setCloneRate(ctx, now); err != nil {
				if ctx.Err() == nil {
					report.Note(ctx, "the clone keeps its rate: %v", err)
				}
				continue
			}
			rate = now
			if f.limit.current().Paused {
				report.Note(ctx, "CLONE cannot be paused: it is held to %d MiB a second", leastClone)
			}
		}
		if done, err := p.cloned(ctx); err == nil { // the next look will tell
			f.progress.add(tableName{}, 0, done-f.progress.received())
		}
	}
}

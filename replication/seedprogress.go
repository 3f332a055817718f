package replication

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/plan"
)

const reportEvery = 500 * time.Millisecond

// progress shows how far the copy is.
type progress struct {
	mu          sync.Mutex
	total       int64 // bytes, the source's estimate
	totalRows   int64
	done, rows  int64
	what        string
	started     time.Time
	doneAtStart int64
}

func (p *progress) add(what string, rows, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows += rows
	p.done += bytes
	p.what = what
}

func (p *progress) line() plan.Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	total := max(p.total, p.done)
	what := fmt.Sprintf("%s, %d of about %d rows", p.what, p.rows, max(p.totalRows, p.rows))
	if seconds := time.Since(p.started).Seconds(); seconds > 0 && p.done > 0 {
		rate := float64(p.done) / seconds
		what += fmt.Sprintf(", %.1f MB/s", rate/1e6)
		if left := total - p.done; left > 0 {
			what += ", about " + (time.Duration(float64(left)/rate) * time.Second).String() + " left"
		}
	}
	return plan.Progress{Done: p.done, Total: total, Unit: "B", What: what}
}

// show reports until ctx ends.
func (p *progress) show(ctx context.Context) error {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			plan.Report(ctx, p.line())
		}
	}
}

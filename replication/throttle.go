package replication

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/plan"
)

// throttle holds the seed back: to a rate, and while the source has too much to do.
type throttle struct {
	rate int64 // bytes a second; 0: unlimited
	most int   // the source's running threads

	mu     sync.Mutex
	next   time.Time     // when the rate allows more
	closed chan struct{} // while the source has too much to do; nil otherwise
}

const throttleEvery = time.Second

// wait counts bytes that were read and returns when more may be.
func (t *throttle) wait(ctx context.Context, bytes int64) error {
	t.mu.Lock()
	now := time.Now()
	var rest time.Duration
	if t.rate > 0 {
		if t.next.Before(now) {
			t.next = now
		}
		t.next = t.next.Add(time.Duration(float64(bytes) / float64(t.rate) * float64(time.Second)))
		rest = t.next.Sub(now)
	}
	closed := t.closed
	t.mu.Unlock()
	if rest > 0 {
		if err := pause(ctx, rest); err != nil {
			return err
		}
	}
	if closed == nil {
		return nil
	}
	select {
	case <-closed: // is closed when the source has room again
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// watch looks at the source's running threads until ctx ends.
func (t *throttle) watch(ctx context.Context, source *Server) error {
	tick := time.NewTicker(throttleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		running, err := threadsRunning(ctx, source)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			plan.Note(ctx, "%s does not say how busy it is: %v", source.Name(), err)
			continue
		}
		t.set(ctx, source, running)
	}
}

func (t *throttle) set(ctx context.Context, source *Server, running int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case running > t.most && t.closed == nil:
		t.closed = make(chan struct{})
		plan.Note(ctx, "the seed waits: %s runs %d threads, more than %d", source.Name(), running, t.most)
	case running <= t.most && t.closed != nil:
		close(t.closed)
		t.closed = nil
		plan.Note(ctx, "the seed goes on: %s runs %d threads", source.Name(), running)
	}
}

func threadsRunning(ctx context.Context, s *Server) (int, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return 0, err
	}
	r, ok, err := queryRecord(ctx, db, "SHOW GLOBAL STATUS LIKE 'Threads_running'")
	if err != nil || !ok {
		return 0, s.wrap("read Threads_running", firstError(err, errGone))
	}
	n, err := strconv.Atoi(r["Value"])
	if err != nil {
		return 0, fmt.Errorf("read Threads_running: %w", err)
	}
	return n, nil
}

package throttle

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

const throttleEvery = time.Second

// SourceWatch looks once a second at what the source has to do, for the
// throttle and for the progress line.
type SourceWatch struct {
	source   *replication.Server
	throttle *Throttle
	replicas *replicaWatch

	mu      sync.Mutex
	running int
	history int64 // length of InnoDB's history list; -1: not known
	first   int64 // the same, when the seed began
	silent  bool  // the source did not answer the last time
}

// NewSourceWatch watches the load of a source, and its replicas, for t.
func NewSourceWatch(source *replication.Server, t *Throttle, replicas *replicaWatch) *SourceWatch {
	return &SourceWatch{source: source, throttle: t, replicas: replicas, history: -1, first: -1}
}

// Watch looks until ctx ends.
func (w *SourceWatch) Watch(ctx context.Context) {
	var replicas sync.WaitGroup
	defer replicas.Wait()
	replicas.Go(func() { w.replicas.watch(ctx, w.throttle) }) // one that hangs must not keep the rest from being seen
	tick := time.NewTicker(throttleEvery)
	defer tick.Stop()
	for {
		if err := w.look(ctx); err != nil && ctx.Err() == nil && !w.silent {
			w.silent = true // said once, until it answers again
			report.Note(ctx, "%s does not say how busy it is: %v", w.source.Name(), err)
		} else if err == nil {
			w.silent = false
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *SourceWatch) look(ctx context.Context) error {
	running, err := threadsRunning(ctx, w.source)
	if err != nil {
		return err
	}
	history, err := historyLength(ctx, w.source)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.running, w.history = running, history
	if w.first < 0 {
		w.first = history
	}
	w.mu.Unlock()
	most := w.throttle.Current().MostRunning
	now := fmt.Sprintf("%s runs %d threads", w.source.Name(), running)
	if running > most {
		w.throttle.because(ctx, causeThreads, fmt.Sprintf("%s, more than %d", now, most), "")
	} else {
		w.throttle.because(ctx, causeThreads, "", now)
	}
	return nil
}

// Seen is what was last seen.
func (w *SourceWatch) Seen() (running int, history, first int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running, w.history, w.first
}

func threadsRunning(ctx context.Context, s *replication.Server) (int, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return 0, err
	}
	r, ok, err := query.One(ctx, db, "SHOW GLOBAL STATUS LIKE 'Threads_running'")
	if err != nil || !ok {
		return 0, s.Wrap("read Threads_running", replication.FirstError(err, replication.ErrGone))
	}
	n, err := strconv.Atoi(r["Value"])
	if err != nil {
		return 0, fmt.Errorf("read Threads_running: %w", err)
	}
	return n, nil
}

// historyLength is how many old versions of rows InnoDB keeps for transactions
// that may still look at them: a counter of the engine, read without a lock.
// -1 where it is switched off.
func historyLength(ctx context.Context, s *replication.Server) (int64, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return 0, err
	}
	text, err := query.Strings(ctx, db, "SELECT `COUNT` FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'")
	if err != nil {
		return 0, s.Wrap("read the history list's length", err)
	}
	if len(text) == 0 {
		return -1, nil
	}
	n, err := strconv.ParseInt(text[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the history list's length: %w", err)
	}
	return n, nil
}

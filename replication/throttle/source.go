package throttle

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

const watchInterval = time.Second

// SourceWatch polls the source's load once a second, for the throttle and for the
// progress line.
type SourceWatch struct {
	source   *replication.Server
	throttle *Throttle
	replicas *ReplicaWatch

	mu           sync.Mutex
	threads      int
	history      int64 // length of InnoDB's history list; -1: unknown
	firstHistory int64 // the same when the seed began
	unreadable   bool  // the last poll failed
}

// NewSourceWatch returns a watch of a source and its replicas for t.
func NewSourceWatch(source *replication.Server, t *Throttle, replicas *ReplicaWatch) *SourceWatch {
	return &SourceWatch{source: source, throttle: t, replicas: replicas, history: -1, firstHistory: -1}
}

// Watch polls until ctx ends.
func (w *SourceWatch) Watch(ctx context.Context) {
	var replicas sync.WaitGroup
	defer replicas.Wait()
	replicas.Go(func() { w.replicas.watch(ctx, w.throttle) }) // on its own: a replica that hangs must not delay the source's figures
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		if err := w.poll(ctx); err != nil && ctx.Err() == nil && !w.unreadable {
			w.unreadable = true // noted once, until it answers again
			report.Note(ctx, "%s does not say how busy it is: %v", w.source.Name(), err)
		} else if err == nil {
			w.unreadable = false
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *SourceWatch) poll(ctx context.Context) error {
	running, err := threadsRunning(ctx, w.source)
	if err != nil {
		return err
	}
	history, err := historyLength(ctx, w.source)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.threads, w.history = running, history
	if w.firstHistory < 0 {
		w.firstHistory = history
	}
	w.mu.Unlock()
	most := w.throttle.Current().MostRunning
	now := fmt.Sprintf("%s runs %d threads", w.source.Name(), running)
	if running > most {
		w.throttle.setCause(ctx, causeThreads, fmt.Sprintf("%s, more than %d", now, most), "")
	} else {
		w.throttle.setCause(ctx, causeThreads, "", now)
	}
	return nil
}

// Latest returns the figures of the last poll: the running threads, and the length of InnoDB's
// history list now and when the watch began (-1: unknown).
func (w *SourceWatch) Latest() (running int, history, first int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.threads, w.history, w.firstHistory
}

func threadsRunning(ctx context.Context, s *replication.Server) (int, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return 0, err
	}
	r, ok, err := query.One(ctx, db, "SHOW GLOBAL STATUS LIKE 'Threads_running'")
	if err != nil || !ok {
		return 0, s.Wrap("read Threads_running", cmp.Or(err, replication.ErrGone))
	}
	n, err := strconv.Atoi(r["Value"])
	if err != nil {
		return 0, fmt.Errorf("read Threads_running: %w", err)
	}
	return n, nil
}

// historyLength returns how many old versions of rows InnoDB keeps for transactions
// that may still read them. It is a counter of the engine, read without a lock; -1 if
// the counter is switched off.
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

package replication

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// hammer writes rows, each in a transaction of its own, from several sessions
// until stopped, and keeps which were acknowledged.
type hammer struct {
	name   string
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	acked map[string]bool
	last  time.Time
}

func startHammer(t *testing.T, s *servertest.Instance, name string) *hammer {
	ctx, cancel := context.WithCancel(t.Context())
	h := &hammer{name: name, cancel: cancel, acked: map[string]bool{}}
	db := writer(t, s)
	for n := range 3 {
		h.wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				text := fmt.Sprintf("%s-%d-%d", name, n, i)
				if _, err := db.ExecContext(ctx, "INSERT INTO app.notes (text) VALUES (?)", text); err == nil {
					h.mu.Lock()
					h.acked[text], h.last = true, time.Now()
					h.mu.Unlock()
				} else if wait.For(ctx, 5*time.Millisecond) != nil {
					return
				}
			}
		})
	}
	t.Cleanup(h.stop)
	return h
}

func (h *hammer) stop() {
	h.cancel()
	h.wg.Wait()
}

func (h *hammer) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.acked)
}

// wait waits until n more writes were acknowledged.
func (h *hammer) wait(t *testing.T, n int) {
	t.Helper()
	goal := h.count() + n
	require.Eventually(t, func() bool { return h.count() >= goal }, 20*time.Second, 5*time.Millisecond, h.name)
}

// requireOn checks that every acknowledged write is on the server, once.
func (h *hammer) requireOn(t *testing.T, s *servertest.Instance) {
	t.Helper()
	rows, err := s.Root().QueryContext(t.Context(), "SELECT text FROM app.notes")
	require.NoError(t, err)
	defer rows.Close()
	there := map[string]int{}
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		there[text]++
	}
	require.NoError(t, rows.Err())
	h.mu.Lock()
	defer h.mu.Unlock()
	require.NotEmpty(t, h.acked)
	for text := range h.acked {
		require.Equal(t, 1, there[text], "acknowledged write %s", text)
	}
}

func TestFenceStep(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		app := writer(t, p.source)
		insert := func() error {
			_, err := app.ExecContext(t.Context(), "INSERT INTO app.notes (text) VALUES (UUID())")
			return err
		}
		require.NoError(t, insert())

		plantest.Exercise(t, Fence(p.Source, FenceOptions{Wait: 2 * time.Second}))
		require.ErrorContains(t, insert(), "read-only")
		p.source.Kill()
		p.source.Restart()
		require.ErrorContains(t, insert(), "read-only", "a fence survives a restart")

		plantest.Exercise(t, Unfence(p.Source))
		require.NoError(t, insert())
		p.source.Restart()
		require.NoError(t, insert(), "nothing of the fence comes back")
		require.Equal(t, "0", p.source.Value("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'migrate%'"))
	})
}

func TestOpenTransactionCannotCommitAfterTheFence(t *testing.T) { // H15, I1
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		tx, err := writer(t, p.source).BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), "INSERT INTO app.notes (text) VALUES ('open')")
		require.NoError(t, err)

		require.NoError(t, Fence(p.Source, FenceOptions{Wait: time.Second}).Op.Apply(t.Context()))
		require.ErrorContains(t, tx.Commit(), "read-only")
		require.Equal(t, "0", p.source.Value("SELECT COUNT(*) FROM app.notes"))
	})
}

func TestFenceIsTakenBackWhenAStatementRunsOn(t *testing.T) { // H15
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		app := writer(t, p.source)
		done := make(chan error, 1)
		go func() {
			_, err := app.ExecContext(t.Context(), "INSERT INTO app.notes (text) SELECT SLEEP(20)")
			done <- err
		}()
		require.Eventually(t, func() bool {
			return p.source.Value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'") == "1"
		}, 10*time.Second, 10*time.Millisecond)

		err := Fence(p.Source, FenceOptions{Wait: time.Second}).Op.Apply(t.Context())
		require.ErrorContains(t, err, "writer from localhost")
		require.NotEmpty(t, report.Hint(err))
		_, err = app.ExecContext(t.Context(), "INSERT INTO app.notes (text) VALUES ('not fenced')")
		require.NoError(t, err)
		p.source.Restart()
		require.Equal(t, "0", p.source.Value("SELECT @@GLOBAL.read_only"))
		<-done
	})
}

func TestFenceKillsWhatRunsOn(t *testing.T) { // H15
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		app := writer(t, p.source)
		done := make(chan error, 1)
		go func() {
			_, err := app.ExecContext(t.Context(), "INSERT INTO app.notes (text) SELECT SLEEP(20)")
			done <- err
		}()
		require.Eventually(t, func() bool {
			return p.source.Value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'") == "1"
		}, 10*time.Second, 10*time.Millisecond)
		require.NoError(t, Fence(p.Source, FenceOptions{Wait: time.Second, Kill: true}).Op.Apply(t.Context()))
		require.Error(t, <-done, "the statement is not acknowledged")
		require.Equal(t, "1", p.source.Value("SELECT @@GLOBAL.read_only"))
	})
}

func TestProofFindsAFenceThatLeaks(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		p.source.Exec("CREATE SCHEMA migrate")
		require.ErrorContains(t, proveFence(t.Context(), p.Source), "was let in")
	})
}

func TestDrainCarriesEveryAcknowledgedWrite(t *testing.T) { // I1
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		linked(t, p.Pair, false)
		h := startHammer(t, p.source, "w")
		h.wait(t, 200)
		require.ErrorIs(t, Drain(p.Source, p.Target, time.Second).Op.Apply(t.Context()), ErrNotFenced)

		require.NoError(t, Fence(p.Source, FenceOptions{Wait: 5 * time.Second}).Op.Apply(t.Context()))
		plantest.Exercise(t, Drain(p.Source, p.Target, 20*time.Second))
		h.stop()
		h.requireOn(t, p.target)
		require.Equal(t, p.source.Value("SELECT COUNT(*) FROM app.notes"), p.target.Value("SELECT COUNT(*) FROM app.notes"))
	})
}

// The side that is drained still gets what the other one writes: after a switch
// that died before its decision, and while both sides take writes.
func TestDrainOfASideThatGetsTheOthersWrites(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		for _, s := range []*servertest.Instance{p.source, p.target} { // no gap between two commits
			s.Exec("SET GLOBAL sync_binlog = 0", "SET GLOBAL innodb_flush_log_at_trx_commit = 0")
		}
		h := startHammer(t, p.source, "w")
		for range 5 {
			h.wait(t, 200)
			n := h.count()
			require.NoError(t, Drain(p.Target, p.Source, 20*time.Second).Op.Apply(t.Context()))
			during := h.count() - n
			require.Less(t, during, 3000, "it waited for a gap between two writes")
		}
	})
}

package throttle

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/secret"
)

func TestThrottleKeepsTheRate(t *testing.T) {
	limit := New(Limits{BytesPerSecond: 10 << 20, Workers: 2})
	began := time.Now()
	for range 5 {
		require.NoError(t, limit.Wait(t.Context()))
		limit.Count(1 << 20)
	}
	require.NoError(t, limit.Wait(t.Context()))
	require.GreaterOrEqual(t, time.Since(began), 400*time.Millisecond)
}

// TestThrottleFollowsItsLimits changes the limits while a caller waits.
func TestThrottleFollowsItsLimits(t *testing.T) {
	for name, c := range map[string]struct {
		from, to Limits
		reason   string
	}{
		"another rate": {Limits{BytesPerSecond: 1}, Limits{BytesPerSecond: 1 << 40}, "held to"},
		"no rate":      {Limits{BytesPerSecond: 1}, Limits{}, "held to"},
		"resumed":      {Limits{Paused: true}, Limits{}, "waits: paused by migrate throttle"},
	} {
		t.Run(name, func(t *testing.T) {
			limit := New(c.from)
			limit.Count(1000)
			require.Contains(t, limit.Reason(), c.reason)
			waited := make(chan error, 1)
			go func() { waited <- limit.Wait(t.Context()) }()
			select {
			case <-waited:
				t.Fatal("it does not wait")
			case <-time.After(50 * time.Millisecond):
			}
			require.True(t, limit.Set(c.to))
			require.False(t, limit.Set(c.to))
			require.NoError(t, <-waited)
			require.Empty(t, limit.Reason())
		})
	}
}

func TestThrottleEndsWithItsContext(t *testing.T) {
	limit := New(Limits{Paused: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, limit.Wait(ctx), context.Canceled)
}

func TestThrottleNotesWhatComesAndGoesOnce(t *testing.T) {
	var notes replicationtest.Notes
	limit := New(Limits{})
	for range 3 {
		limit.setCause(notes.Context(t.Context()), causeThreads, "70 threads", "")
		require.Equal(t, "waits: 70 threads", limit.Reason())
		limit.setCause(notes.Context(t.Context()), causeThreads, "", "60 threads")
		require.Empty(t, limit.Reason())
	}
	require.Equal(t, "the seed waits: 70 threads\nthe seed goes on: 60 threads", notes.Text())
}

func TestSeedWaitsWhileTheSourceIsBusy(t *testing.T) {
	source := replicationtest.Server(t, servertest.Start(t, servertest.MariaDB), replication.Source, nil)
	busy, idle := context.WithCancel(t.Context())
	ended := make(chan struct{}, 8)
	db, err := source.DB(t.Context())
	require.NoError(t, err)
	for range cap(ended) {
		go func() {
			defer func() { ended <- struct{}{} }()
			for busy.Err() == nil {
				_, _ = db.ExecContext(busy, "DO SLEEP(0.5)")
			}
		}()
	}
	var notes replicationtest.Notes
	limit := New(Limits{MostRunning: 6, MostLag: time.Second})
	watch := NewSourceWatch(source, limit, NewReplicaWatch(source))
	watching, stop := context.WithCancel(notes.Context(t.Context()))
	watched := make(chan struct{})
	go func() { defer close(watched); watch.Watch(watching) }()
	require.Eventually(t, func() bool { return strings.Contains(limit.Reason(), "more than 6") }, 20*time.Second, 10*time.Millisecond)
	running, history, first := watch.Latest()
	require.Greater(t, running, 6)
	require.GreaterOrEqual(t, history, int64(0), "the history list is read")
	require.GreaterOrEqual(t, first, int64(0))
	waited := make(chan error, 1)
	go func() { waited <- limit.Wait(t.Context()) }()
	select {
	case <-waited:
		t.Fatal("it does not wait")
	case <-time.After(300 * time.Millisecond):
	}
	idle()
	for range cap(ended) {
		<-ended
	}
	require.NoError(t, <-waited)
	stop()
	<-watched
	require.Contains(t, notes.Text(), "the seed waits: main (source) runs")
	require.Contains(t, notes.Text(), "the seed goes on: main (source) runs")
}

// TestSeedWaitsForReplicas makes a replica of the source fall behind. Then migrate's
// login is refused by the replica: one note says so.
func TestSeedWaitsForReplicas(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		from := servertest.Start(t, flavor)
		replica := servertest.Start(t, flavor, servertest.Set("report_host", "127.0.0.1"))
		from.Exec("CREATE USER watcher@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON *.* TO watcher@'%'",
			"CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)") // the test waits for the last of them
		replicationtest.Replicate(t, flavor, from, replica)
		config := replication.ServerConfig{Name: "main (source)", Side: replication.Source, Network: "tcp", Address: from.Addr(), User: "watcher", Password: secret.New("pw")}
		source := replication.NewServer(config)
		t.Cleanup(func() { _ = source.Close() })
		require.Eventually(t, func() bool {
			addresses, err := replicasOf(t.Context(), source)
			require.NoError(t, err)
			return len(addresses) == 1 && addresses[0] == replica.Addr()
		}, 30*time.Second, 50*time.Millisecond)

		require.Eventually(t, func() bool {
			return replica.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app'") == "1"
		}, 30*time.Second, 50*time.Millisecond)
		lock, err := replica.Root().Conn(t.Context())
		require.NoError(t, err)
		_, err = lock.ExecContext(t.Context(), "LOCK TABLES app.t READ")
		require.NoError(t, err)
		from.Exec("INSERT INTO app.t VALUES (1)")
		var notes replicationtest.Notes
		limit := New(Limits{MostLag: time.Second})
		watching, stop := context.WithCancel(notes.Context(t.Context()))
		watched := make(chan struct{})
		go func() { defer close(watched); NewReplicaWatch(source).watch(watching, limit) }()
		require.Eventually(t, func() bool { return strings.Contains(limit.Reason(), "behind, more than 1s") }, 30*time.Second, 50*time.Millisecond)
		_, err = lock.ExecContext(t.Context(), "UNLOCK TABLES")
		require.NoError(t, err)
		require.NoError(t, lock.Close())
		require.Eventually(t, func() bool { return limit.Reason() == "" }, 30*time.Second, 50*time.Millisecond)
		stop()
		<-watched
		require.Contains(t, notes.Text(), "the seed goes on: no replica")

		config.ReplicaUser, config.ReplicaPassword = "nobody", config.Password
		other := replication.NewServer(config)
		t.Cleanup(func() { _ = other.Close() })
		stranger := NewReplicaWatch(other)
		require.NoError(t, stranger.refresh(t.Context()))
		var refused replicationtest.Notes
		for range 3 {
			stranger.poll(refused.Context(t.Context()), limit)
		}
		require.Len(t, refused.Lines(), 1, "said once, never silently")
		require.Contains(t, refused.Lines()[0], "cannot be read")
		require.Contains(t, refused.Lines()[0], replica.Addr())
		for _, s := range stranger.replicas {
			require.NoError(t, s.Close())
		}
	})
}

package replication

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// said collects notes.
type said struct {
	mu    sync.Mutex
	notes []string
}

func (s *said) context(ctx context.Context) context.Context {
	return report.WithNotes(ctx, func(text string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.notes = append(s.notes, text)
	})
}

func (s *said) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.notes, "\n")
}

func TestThrottleKeepsTheRate(t *testing.T) {
	limit := newThrottle(Limits{BytesPerSecond: 10 << 20, Workers: 2})
	began := time.Now()
	for range 5 {
		require.NoError(t, limit.wait(t.Context()))
		limit.took(1 << 20)
	}
	require.NoError(t, limit.wait(t.Context()))
	require.GreaterOrEqual(t, time.Since(began), 400*time.Millisecond)
}

// TestThrottleFollowsItsLimits changes the limits under one that waits.
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
			limit := newThrottle(c.from)
			limit.took(1000)
			require.Contains(t, limit.reason(), c.reason)
			waited := make(chan error, 1)
			go func() { waited <- limit.wait(t.Context()) }()
			select {
			case <-waited:
				t.Fatal("it does not wait")
			case <-time.After(50 * time.Millisecond):
			}
			require.True(t, limit.set(c.to))
			require.False(t, limit.set(c.to))
			require.NoError(t, <-waited)
			require.Empty(t, limit.reason())
		})
	}
}

func TestThrottleEndsWithItsContext(t *testing.T) {
	limit := newThrottle(Limits{Paused: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, limit.wait(ctx), context.Canceled)
}

func TestThrottleNotesWhatComesAndGoesOnce(t *testing.T) {
	var notes said
	limit := newThrottle(Limits{})
	for range 3 {
		limit.because(notes.context(t.Context()), causeThreads, "70 threads", "")
		require.Equal(t, "waits: 70 threads", limit.reason())
		limit.because(notes.context(t.Context()), causeThreads, "", "60 threads")
		require.Empty(t, limit.reason())
	}
	require.Equal(t, "the seed waits: 70 threads\nthe seed goes on: 60 threads", notes.all())
}

func TestChunksFitTheRate(t *testing.T) {
	require.EqualValues(t, chunkBytes, newThrottle(Limits{Workers: 4}).chunk())
	require.EqualValues(t, 1_000_000, newThrottle(Limits{Workers: 4, BytesPerSecond: 8_000_000}).chunk())
	require.EqualValues(t, 10, (&seedTable{table: table{Bytes: 100 << 20}, rows: 100}).firstChunk(10<<20), "by what a row takes")
	require.EqualValues(t, firstChunk, (&seedTable{}).firstChunk(1), "without statistics")
	require.EqualValues(t, 2, nextChunk(100, pumped{rows: 100, bytes: 100 << 20}, time.Second, 2<<20))
	require.EqualValues(t, 400, nextChunk(100, pumped{rows: 100, bytes: 100}, time.Millisecond, chunkBytes))
}

func TestSeedWaitsWhileTheSourceIsBusy(t *testing.T) {
	source := testServer(t, servertest.Start(t, servertest.MariaDB), Source, nil)
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
	var notes said
	limit := newThrottle(Limits{MostRunning: 6, MostLag: time.Second})
	look := newSourceWatch(source, limit, newReplicaWatch(source))
	watching, stop := context.WithCancel(notes.context(t.Context()))
	watched := make(chan struct{})
	go func() { defer close(watched); look.watch(watching) }()
	require.Eventually(t, func() bool { return strings.Contains(limit.reason(), "more than 6") }, 20*time.Second, 10*time.Millisecond)
	running, history, first := look.seen()
	require.Greater(t, running, 6)
	require.GreaterOrEqual(t, history, int64(0), "the history list is read")
	require.GreaterOrEqual(t, first, int64(0))
	waited := make(chan error, 1)
	go func() { waited <- limit.wait(t.Context()) }()
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
	require.Contains(t, notes.all(), "the seed waits: main (source) runs")
	require.Contains(t, notes.all(), "the seed goes on: main (source) runs")
}

// TestSeedWaitsForReplicas has a replica of the source fall behind; then one
// that does not let migrate in, which is said once.
func TestSeedWaitsForReplicas(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		from := servertest.Start(t, flavor)
		replica := servertest.Start(t, flavor, servertest.Set("report_host", "127.0.0.1"))
		from.Exec("CREATE USER watcher@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON *.* TO watcher@'%'",
			"CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)") // the last is what is waited for
		replicate(t, flavor, from, replica)
		source := NewServer(ServerConfig{Name: "main (source)", Side: Source, Network: "tcp", Address: from.Addr(), User: "watcher", Password: secret.New("pw")})
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
		var notes said
		limit := newThrottle(Limits{MostLag: time.Second})
		watching, stop := context.WithCancel(notes.context(t.Context()))
		watched := make(chan struct{})
		go func() { defer close(watched); newReplicaWatch(source).watch(watching, limit) }()
		require.Eventually(t, func() bool { return strings.Contains(limit.reason(), "behind, more than 1s") }, 30*time.Second, 50*time.Millisecond)
		_, err = lock.ExecContext(t.Context(), "UNLOCK TABLES")
		require.NoError(t, err)
		require.NoError(t, lock.Close())
		require.Eventually(t, func() bool { return limit.reason() == "" }, 30*time.Second, 50*time.Millisecond)
		stop()
		<-watched
		require.Contains(t, notes.all(), "the seed goes on: no replica")

		stranger := newReplicaWatch(source)
		stranger.user = "nobody"
		require.NoError(t, stranger.find(t.Context()))
		var refused said
		for range 3 {
			stranger.look(refused.context(t.Context()), limit)
		}
		require.Len(t, refused.notes, 1, "said once, never silently")
		require.Contains(t, refused.notes[0], "cannot be read")
		require.Contains(t, refused.notes[0], replica.Addr())
		for _, s := range stranger.known {
			require.NoError(t, s.Close())
		}
	})
}

// pointer is the address of a value.
func pointer[T any](v T) *T { return &v }

// TestThrottleCommand pauses a running seed, gives it other limits, and lets it go on.
func TestThrottleCommand(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := startPair(t, flavor)
		makeLoadSchema(source)
		makeBig(source)
		_, err := Throttle(t.Context(), pair, LimitsChange{})
		require.ErrorIs(t, err, ErrNoSeed)

		var notes said
		done := make(chan error, 1)
		go func() {
			done <- SeedWith(pair, SeedOptions{BytesPerSecond: 1 << 20, Workers: 2}).Op.Apply(notes.context(t.Context()))
		}()
		progress := func() SeedState {
			state, _, err := RunningSeed(t.Context(), pair)
			require.NoError(t, err)
			return state
		}
		require.Eventually(t, func() bool { return progress().Progress.Rows > 100 }, 60*time.Second, 20*time.Millisecond)
		state, err := Throttle(t.Context(), pair, LimitsChange{Paused: pointer(true), Workers: pointer(7)})
		require.NoError(t, err)
		require.True(t, state.Limits.Paused)
		require.EqualValues(t, 1<<20, state.Limits.BytesPerSecond, "what is not named stays")
		require.Eventually(t, func() bool { return strings.Contains(progress().Progress.Throttle, "paused by migrate throttle") }, 20*time.Second, 20*time.Millisecond)
		require.ErrorContains(t, Seed(pair).Op.Apply(t.Context()), "another seed runs there", "two never run at once")
		rows := target.Value("SELECT COUNT(*) FROM load1.big")
		<-time.After(1500 * time.Millisecond)
		require.Equal(t, rows, target.Value("SELECT COUNT(*) FROM load1.big"), "nothing is copied while it is paused")
		require.Equal(t, "0", source.Value("SELECT COUNT(*) FROM information_schema.INNODB_TRX"), "nothing stays open on the source meanwhile")

		_, err = Throttle(t.Context(), pair, LimitsChange{Paused: pointer(false)})
		require.NoError(t, err)
		require.Eventually(t, func() bool { s := progress(); return s.Progress.Workers == 7 && s.Progress.Throttle != "" }, 20*time.Second, 20*time.Millisecond)
		_, err = Throttle(t.Context(), pair, LimitsChange{Workers: pointer(1)})
		require.NoError(t, err)
		require.Eventually(t, func() bool { return progress().Progress.Workers == 1 }, 20*time.Second, 20*time.Millisecond)
		_, err = Throttle(t.Context(), pair, LimitsChange{BytesPerSecond: pointer(int64(0)), Workers: pointer(4)})
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Contains(t, notes.all(), "migrate throttle: paused; 7 workers, 1.0 MiB/s")
		require.Contains(t, notes.all(), "load1.nokey can only be copied in one snapshot (H7)")
		require.Equal(t, checksums(t, source, "load1"), checksums(t, target, "load1"))
		_, err = Throttle(t.Context(), pair, LimitsChange{Paused: pointer(true)})
		require.ErrorIs(t, err, ErrNoSeed, "it has ended")
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = 'seed_control'"))
	})
}

// TestSeedLeavesNothingOpenOnTheSource samples the transactions of a source that
// is written to, through a slow network and with rows that are long: none of the
// seed's is as old as five seconds, and the history list is as it was.
func TestSeedLeavesNothingOpenOnTheSource(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := startPair(t, flavor)
		makeLoadSchema(source)
		source.Exec("CREATE USER seeder@localhost IDENTIFIED BY 'pw'", "GRANT ALL ON *.* TO seeder@localhost WITH GRANT OPTION",
			"ALTER TABLE load1.nokey ADD id INT PRIMARY KEY AUTO_INCREMENT INVISIBLE", "CREATE TABLE load1.long1 (id INT PRIMARY KEY, v LONGBLOB)")
		for i := range 40 {
			source.Exec(fmt.Sprintf("INSERT INTO load1.long1 VALUES (%d, REPEAT('%c', 262144))", i, 'a'+i%26))
		}
		pair.Source = NewServer(ServerConfig{
			Name: "main (source)", Side: Source, Host: slowHost{remote.NewLocal("db1"), 1 << 20}, Network: "unix", Address: source.Socket,
			User: "seeder", Password: secret.New("pw"),
		})
		t.Cleanup(func() { _ = pair.Source.Close() })
		stop := load(t, source)
		oldest := sampled(t, source)
		require.NoError(t, SeedWith(pair, SeedOptions{Workers: 3}).Op.Apply(t.Context()))
		seconds, history := oldest()
		require.Positive(t, stop())
		require.Less(t, seconds, int64(5))
		t.Logf("the oldest transaction of the seed: %d s; the history list at most %d", seconds, history)
		require.Less(t, history, int64(100_000), "purged all the time")
		replicate(t, flavor, source, target)
		settle(t, pair.Source, pair.Target)
		require.Equal(t, checksums(t, source, "load1"), checksums(t, target, "load1"))
	})
}

// TestProgressCountsWhatEarlierTriesHaveCopied: of a seed that goes on, done is
// what stands on the target, and the rate is of this try.
func TestProgressCountsWhatEarlierTriesHaveCopied(t *testing.T) {
	pair, source, target := startPair(t, servertest.MariaDB)
	makeLoadSchema(source)
	makeBig(source)
	source.Exec("ANALYZE TABLE load1.big, load1.posts")
	halfSeeded(t, pair, target)
	copied := estimate(target.Value("SELECT COUNT(*) FROM load1.big")) + estimate(target.Value("SELECT COUNT(*) FROM load1.posts"))
	target.Exec("REPLACE INTO migrate.seed_control VALUES ('wanted', '{\"paused\": true}')")
	done := make(chan error, 1)
	go func() { done <- Seed(pair).Op.Apply(t.Context()) }()
	var p SeedProgress
	require.Eventually(t, func() bool {
		select {
		case err := <-done:
			require.NoError(t, err, "the seed has ended")
		default:
		}
		state, ok, err := RunningSeed(t.Context(), pair)
		require.NoError(t, err)
		p = state.Progress
		return ok && p.Rows > 0 && strings.Contains(p.Throttle, "paused") // it stops at what has changed, or at the next chunk
	}, 60*time.Second, 20*time.Millisecond)
	require.Equal(t, copied, p.Rows)
	require.Positive(t, p.Bytes)
	require.Greater(t, p.TotalBytes, p.Bytes)
	require.Greater(t, p.TotalRows, p.Rows)
	require.Equal(t, 4, p.Tables)
	require.Zero(t, p.Rate, "nothing has come in this try")
	require.Contains(t, p.String(), "history list")
	shown := p.Progress()
	require.Equal(t, []int64{p.Bytes, p.TotalBytes}, []int64{shown.Done, shown.Total})
	_, err := Throttle(t.Context(), pair, LimitsChange{Paused: pointer(false)})
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.Equal(t, checksums(t, source, "load1"), checksums(t, target, "load1"))
}

// TestThrottleOfASeedThatIsOnlyBeginning: the lock is there before the table is.
func TestThrottleOfASeedThatIsOnlyBeginning(t *testing.T) {
	pair, _, target := startPair(t, servertest.MariaDB)
	control, err := takeControl(t.Context(), pair.Target)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := Throttle(t.Context(), pair, LimitsChange{Paused: pointer(true)})
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatal("it does not wait: ", err)
	case <-time.After(300 * time.Millisecond):
	}
	target.Exec("CREATE DATABASE migrate")
	require.NoError(t, control.make(t.Context()))
	require.NoError(t, <-ended)
	require.JSONEq(t, `{"paused": true}`, target.Value("SELECT value FROM migrate.seed_control WHERE name = 'wanted'"))
	control.close()
	_, err = Throttle(t.Context(), pair, LimitsChange{Paused: pointer(true)})
	require.ErrorIs(t, err, ErrNoSeed)
}

// TestTotalsFollowTheRows: totals go by what rows are, not by what files are.
func TestTotalsFollowTheRows(t *testing.T) {
	p := newProgress(newThrottle(Limits{}), newSourceWatch(nil, nil, nil))
	half, rest := tableName{"a", "half"}, tableName{"a", "rest"}
	p.take(waveSize{}, map[tableName]*seedTable{
		half: {table: table{Schema: "a", Name: "half", Bytes: 1000}, rows: 100, keyName: "PRIMARY"},
		rest: {table: table{Schema: "a", Name: "rest", Bytes: 500}, rows: 10, keyName: "PRIMARY"},
	}, map[tableName]*tableNote{half: {phase: phaseMade, rows: 25, bytes: 100, parts: make([]keyRange, 1)}})
	p.add(half, 25, 100)
	now := p.now()
	require.EqualValues(t, 200, now.Bytes)
	require.EqualValues(t, 400+200, now.TotalBytes, "the half by its rows, the rest by the files as those of the half were")
	require.EqualValues(t, 110, now.TotalRows)
	p.finished(half)
	require.EqualValues(t, 1, p.now().Done)
	require.EqualValues(t, 200+200, p.now().TotalBytes)
}

// sampled looks at the transactions of the logins of a seed, and at the history
// list, until its result is called: the oldest in seconds, and the longest.
func sampled(t *testing.T, s *servertest.Instance) func() (oldest, history int64) {
	ctx, cancel := context.WithCancel(t.Context())
	type most struct{ oldest, history int64 }
	out := make(chan most, 1)
	go func() {
		var m most
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			r, ok, err := queryRecord(ctx, s.Root(), `SELECT
				(SELECT COALESCE(MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())), 0) FROM information_schema.INNODB_TRX
					JOIN information_schema.PROCESSLIST ON ID = trx_mysql_thread_id WHERE USER = 'seeder') AS oldest,
				(SELECT `+"`COUNT`"+` FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len') AS history`)
			if err == nil && ok {
				m.oldest, m.history = max(m.oldest, estimate(r["oldest"])), max(m.history, estimate(r["history"]))
			}
			select {
			case <-ctx.Done():
				out <- m
				return
			case <-tick.C:
			}
		}
	}()
	return func() (int64, int64) { cancel(); m := <-out; return m.oldest, m.history }
}

package seed

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
)

func TestChunksFitTheRate(t *testing.T) {
	require.EqualValues(t, throttle.ChunkBytes, throttle.New(throttle.Limits{Workers: 4}).ChunkSize())
	require.EqualValues(t, 1_000_000, throttle.New(throttle.Limits{Workers: 4, BytesPerSecond: 8_000_000}).ChunkSize())
	require.EqualValues(t, 10, (&sourceTable{Table: table.Table{Bytes: 100 << 20}, rows: 100}).firstChunk(10<<20), "by what a row takes")
	require.EqualValues(t, firstChunk, (&sourceTable{}).firstChunk(1), "without statistics")
	require.EqualValues(t, 2, nextChunk(100, pumpResult{rows: 100, bytes: 100 << 20}, time.Second, 2<<20))
	require.EqualValues(t, 400, nextChunk(100, pumpResult{rows: 100, bytes: 100}, time.Millisecond, throttle.ChunkBytes))
}

// TestThrottleCommand pauses a running seed, gives it other limits, and lets it go on.
func TestThrottleCommand(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		_, err := ChangeLimits(t.Context(), pair, LimitsChange{})
		require.ErrorIs(t, err, ErrNoSeed)

		var notes replicationtest.Notes
		done := make(chan error, 1)
		go func() {
			done <- StepWith(pair, Options{BytesPerSecond: 1 << 20, Workers: 2}).Op.Apply(notes.Context(t.Context()))
		}()
		progress := func() State {
			state, _, err := Running(t.Context(), pair)
			require.NoError(t, err)
			return state
		}
		require.Eventually(t, func() bool { return progress().Progress.Rows > 100 }, 60*time.Second, 20*time.Millisecond)
		state, err := ChangeLimits(t.Context(), pair, LimitsChange{Paused: new(true), Workers: new(7)})
		require.NoError(t, err)
		require.True(t, state.Limits.Paused)
		require.EqualValues(t, 1<<20, state.Limits.BytesPerSecond, "what is not named stays")
		require.Eventually(t, func() bool { return strings.Contains(progress().Progress.Throttle, "paused by migrate throttle") }, 20*time.Second, 20*time.Millisecond)
		require.ErrorContains(t, Step(pair).Op.Apply(t.Context()), "another seed runs there", "two never run at once")
		rows := target.Value("SELECT COUNT(*) FROM load1.big")
		<-time.After(1500 * time.Millisecond)
		require.Equal(t, rows, target.Value("SELECT COUNT(*) FROM load1.big"), "nothing is copied while it is paused")
		require.Equal(t, "0", source.Value("SELECT COUNT(*) FROM information_schema.INNODB_TRX"), "nothing stays open on the source meanwhile")

		_, err = ChangeLimits(t.Context(), pair, LimitsChange{Paused: new(false)})
		require.NoError(t, err)
		require.Eventually(t, func() bool { s := progress(); return s.Progress.Workers == 7 && s.Progress.Throttle != "" }, 20*time.Second, 20*time.Millisecond)
		_, err = ChangeLimits(t.Context(), pair, LimitsChange{Workers: new(1)})
		require.NoError(t, err)
		require.Eventually(t, func() bool { return progress().Progress.Workers == 1 }, 20*time.Second, 20*time.Millisecond)
		_, err = ChangeLimits(t.Context(), pair, LimitsChange{BytesPerSecond: new(int64(0)), Workers: new(4)})
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Contains(t, notes.Text(), "migrate throttle: paused; 7 workers, 1.0 MiB/s")
		require.Contains(t, notes.Text(), "load1.nokey can only be copied in one snapshot (H7)")
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
		_, err = ChangeLimits(t.Context(), pair, LimitsChange{Paused: new(true)})
		require.ErrorIs(t, err, ErrNoSeed, "it has ended")
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = 'seed_control'"))
	})
}

// TestProgressCountsWhatEarlierTriesHaveCopied: of a seed that goes on, done is
// what stands on the target, and the rate is of this try.
func TestProgressCountsWhatEarlierTriesHaveCopied(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	replicationtest.MakeLoadSchema(source)
	replicationtest.MakeBigTable(source)
	source.Exec("ANALYZE TABLE load1.big, load1.posts")
	halfSeeded(t, pair, target)
	copied := query.Number(target.Value("SELECT COUNT(*) FROM load1.big")) + query.Number(target.Value("SELECT COUNT(*) FROM load1.posts"))
	target.Exec("REPLACE INTO migrate.seed_control VALUES ('wanted', '{\"paused\": true}')")
	done := make(chan error, 1)
	go func() { done <- Step(pair).Op.Apply(t.Context()) }()
	var p Progress
	require.Eventually(t, func() bool {
		select {
		case err := <-done:
			require.NoError(t, err, "the seed has ended")
		default:
		}
		state, ok, err := Running(t.Context(), pair)
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
	_, err := ChangeLimits(t.Context(), pair, LimitsChange{Paused: new(false)})
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
}

// TestThrottleOfASeedThatIsOnlyBeginning: the lock is there before the table is.
func TestThrottleOfASeedThatIsOnlyBeginning(t *testing.T) {
	pair, _, target := replicationtest.Start(t, servertest.MariaDB)
	control, err := TakeControl(t.Context(), pair.Target)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := ChangeLimits(t.Context(), pair, LimitsChange{Paused: new(true)})
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatal("it does not wait: ", err)
	case <-time.After(300 * time.Millisecond):
	}
	target.Exec("CREATE DATABASE migrate")
	require.NoError(t, control.Make(t.Context()))
	require.NoError(t, <-ended)
	require.JSONEq(t, `{"paused": true}`, target.Value("SELECT value FROM migrate.seed_control WHERE name = 'wanted'"))
	control.Close()
	_, err = ChangeLimits(t.Context(), pair, LimitsChange{Paused: new(true)})
	require.ErrorIs(t, err, ErrNoSeed)
}

// TestTotalsFollowTheRows: totals go by what rows are, not by what files are.
func TestTotalsFollowTheRows(t *testing.T) {
	p := NewMeter(throttle.New(throttle.Limits{}), throttle.NewSourceWatch(nil, nil, nil))
	half, rest := table.Name{Schema: "a", Name: "half"}, table.Name{Schema: "a", Name: "rest"}
	p.addBatch(schema.Size{}, map[table.Name]*sourceTable{
		half: {Table: table.Table{Schema: "a", Name: "half", Bytes: 1000}, rows: 100, keyName: "PRIMARY"},
		rest: {Table: table.Table{Schema: "a", Name: "rest", Bytes: 500}, rows: 10, keyName: "PRIMARY"},
	}, map[table.Name]*tableNote{half: {phase: phaseMade, rows: 25, bytes: 100, parts: make([]keyRange, 1)}})
	p.Add(half, 25, 100)
	now := p.Now()
	require.EqualValues(t, 200, now.Bytes)
	require.EqualValues(t, 400+200, now.TotalBytes, "the half by its rows, the rest by the files as those of the half were")
	require.EqualValues(t, 110, now.TotalRows)
	p.finishTable(half)
	require.EqualValues(t, 1, p.Now().Done)
	require.EqualValues(t, 200+200, p.Now().TotalBytes)
}

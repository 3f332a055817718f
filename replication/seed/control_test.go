package seed

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestThrottleCommand pauses a running seed, changes its limits, and lets it continue.
func TestThrottleCommand(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		_, err := control.ChangeLimits(t.Context(), pair, control.LimitsChange{})
		require.ErrorIs(t, err, control.ErrNoSeed)

		var notes replicationtest.Notes
		done := make(chan error, 1)
		go func() {
			done <- StepWith(pair, Options{BytesPerSecond: 1 << 20, Workers: 2}).Op.Apply(notes.Context(t.Context()))
		}()
		progress := func() control.State {
			state, _, err := control.Running(t.Context(), pair)
			require.NoError(t, err)
			return state
		}
		require.Eventually(t, func() bool { return progress().Progress.Rows > 100 }, 60*time.Second, 20*time.Millisecond)
		state, err := control.ChangeLimits(t.Context(), pair, control.LimitsChange{Paused: new(true), Workers: new(7)})
		require.NoError(t, err)
		require.True(t, state.Limits.Paused)
		require.EqualValues(t, 1<<20, state.Limits.BytesPerSecond, "what is not named stays")
		require.Eventually(t, func() bool { return strings.Contains(progress().Progress.Throttle, "paused by migrate throttle") }, 20*time.Second, 20*time.Millisecond)
		require.ErrorContains(t, Step(pair).Op.Apply(t.Context()), "another seed runs there", "two never run at once")
		rows := target.Value("SELECT COUNT(*) FROM load1.big")
		<-time.After(1500 * time.Millisecond)
		require.Equal(t, rows, target.Value("SELECT COUNT(*) FROM load1.big"), "nothing is copied while it is paused")
		require.Equal(t, "0", source.Value("SELECT COUNT(*) FROM information_schema.INNODB_TRX"), "nothing stays open on the source meanwhile")

		_, err = control.ChangeLimits(t.Context(), pair, control.LimitsChange{Paused: new(false)})
		require.NoError(t, err)
		require.Eventually(t, func() bool { s := progress(); return s.Progress.Workers == 7 && s.Progress.Throttle != "" }, 20*time.Second, 20*time.Millisecond)
		_, err = control.ChangeLimits(t.Context(), pair, control.LimitsChange{Workers: new(1)})
		require.NoError(t, err)
		require.Eventually(t, func() bool { return progress().Progress.Workers == 1 }, 20*time.Second, 20*time.Millisecond)
		_, err = control.ChangeLimits(t.Context(), pair, control.LimitsChange{BytesPerSecond: new(int64(0)), Workers: new(4)})
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Contains(t, notes.Text(), "migrate throttle: paused; 7 workers, 1.0 MiB/s")
		require.Contains(t, notes.Text(), "load1.nokey can only be copied in one snapshot (H7)")
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
		_, err = control.ChangeLimits(t.Context(), pair, control.LimitsChange{Paused: new(true)})
		require.ErrorIs(t, err, control.ErrNoSeed, "it has ended")
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = 'seed_control'"))
	})
}

// TestThrottleOfASeedThatIsOnlyBeginning takes the lock before the control table exists.
func TestThrottleOfASeedThatIsOnlyBeginning(t *testing.T) {
	pair, _, target := replicationtest.Start(t, servertest.MariaDB)
	lead, err := control.Take(t.Context(), pair.Target)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := control.ChangeLimits(t.Context(), pair, control.LimitsChange{Paused: new(true)})
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatal("it does not wait: ", err)
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, lead.Make(t.Context()))
	require.NoError(t, <-ended)
	require.JSONEq(t, `{"paused": true}`, target.Value("SELECT value FROM migrate.seed_control WHERE name = 'wanted'"))
	lead.Close()
	_, err = control.ChangeLimits(t.Context(), pair, control.LimitsChange{Paused: new(true)})
	require.ErrorIs(t, err, control.ErrNoSeed)
}

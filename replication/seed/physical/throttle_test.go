package physical

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestThrottleOfASeedByFiles proves that migrate throttle reaches a seed by files, and
// that nothing of its control remains.
func TestThrottleOfASeedByFiles(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target, options := startPair(t, flavor)
		replicationtest.MakeBigTable(source)
		options.BytesPerSecond = 3 << 20
		var notes replicationtest.Notes
		done := make(chan error, 1)
		go func() { done <- Step(pair, seed.Step(pair), options).Op.Apply(notes.Context(t.Context())) }()
		running := func() control.State {
			select {
			case err := <-done:
				require.NoError(t, err)
				t.Fatal("the seed has ended: ", notes.Text())
			default:
			}
			state, _, err := control.Running(t.Context(), pair)
			require.NoError(t, err)
			return state
		}
		require.Eventually(t, func() bool {
			// CLONE sends for a while before it looks at its rate: on a fast host that is
			// the whole copy.
			now := running().Progress
			return now.Bytes > 0 || flavor == servertest.MySQL && now.Phase == "files"
		}, 60*time.Second, 50*time.Millisecond)
		require.Equal(t, "files", running().Progress.Phase)
		require.EqualValues(t, 3<<20, running().Limits.BytesPerSecond)

		state, err := control.ChangeLimits(t.Context(), pair, control.LimitsChange{Paused: new(true)})
		require.NoError(t, err)
		require.True(t, state.Limits.Paused)
		require.Eventually(t, func() bool { return strings.Contains(running().Progress.Throttle, "paused by migrate throttle") }, 20*time.Second, 50*time.Millisecond)
		rates := "SELECT CONCAT(@@GLOBAL.clone_max_network_bandwidth, ' ', @@GLOBAL.clone_max_data_bandwidth)"
		if flavor == servertest.MySQL {
			require.Eventually(t, func() bool { return target.Value(rates) == "1 1" }, 20*time.Second, 50*time.Millisecond)
		} else {
			<-time.After(1500 * time.Millisecond) // what was on its way arrives
			before := running().Progress.Bytes
			<-time.After(2500 * time.Millisecond)
			require.Equal(t, before, running().Progress.Bytes)
		}
		_, err = control.ChangeLimits(t.Context(), pair, control.LimitsChange{Paused: new(false), BytesPerSecond: new(int64(0))})
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Contains(t, notes.Text(), "migrate throttle: paused")
		if flavor == servertest.MySQL {
			require.Contains(t, notes.Text(), "CLONE cannot be paused: it is held to 1 MiB a second")
		}
		requireSeeded(t, source, target)
		_, err = control.ChangeLimits(t.Context(), pair, control.LimitsChange{Paused: new(true)})
		require.ErrorIs(t, err, control.ErrNoSeed)
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = 'seed_control'"))
	})
}

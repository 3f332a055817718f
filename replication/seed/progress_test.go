package seed

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestProgressCountsWhatEarlierTriesHaveCopied proves that a seed that continues counts
// what is on the target as done, and its rate from this attempt only.
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
	var p control.Progress
	require.Eventually(t, func() bool {
		select {
		case err := <-done:
			require.NoError(t, err, "the seed has ended")
		default:
		}
		state, ok, err := control.Running(t.Context(), pair)
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
	shown := p.Report()
	require.Equal(t, []int64{p.Bytes, p.TotalBytes}, []int64{shown.Done, shown.Total})
	_, err := control.ChangeLimits(t.Context(), pair, control.LimitsChange{Paused: new(false)})
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
}

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
	shown := p.Report()
	require.Equal(t, []int64{p.Bytes, p.TotalBytes}, []int64{shown.Done, shown.Total})
	_, err := ChangeLimits(t.Context(), pair, LimitsChange{Paused: new(false)})
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
}

// TestTotalsFollowTheRows proves that totals follow from the size of rows, not of files.
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

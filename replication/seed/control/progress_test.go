package control

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
)

// TestTotalsFollowTheRows proves that totals follow from the size of rows, not of files.
func TestTotalsFollowTheRows(t *testing.T) {
	p := NewMeter(throttle.New(throttle.Limits{}), throttle.NewSourceWatch(nil, nil, nil))
	half, rest := table.Name{Schema: "a", Name: "half"}, table.Name{Schema: "a", Name: "rest"}
	p.AddBatch(schema.Size{}, map[table.Name]TableCount{
		half: {Title: "a.half", EstBytes: 1000, EstRows: 100, Rows: 25, Bytes: 100},
		rest: {Title: "a.rest", EstBytes: 500, EstRows: 10},
	}, nil)
	p.Add(half, 25, 100)
	now := p.Now()
	require.EqualValues(t, 200, now.Bytes)
	require.EqualValues(t, 400+200, now.TotalBytes, "the half by its rows, the rest by the files as those of the half were")
	require.EqualValues(t, 110, now.TotalRows)
	p.FinishTable(half)
	require.EqualValues(t, 1, p.Now().Done)
	require.EqualValues(t, 200+200, p.Now().TotalBytes)
}

package verify

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// A table that is dropped between the query for tables and the one for columns has none.
func TestTablesThatAreDroppedWhileTheyAreReadEndAVerify(t *testing.T) {
	gone, virtual := newShape("app", query.Record{"name": "gone"}), newShape("app", query.Record{"name": "virtual"})
	addColumns(map[string]*tableShape{"gone": gone, "virtual": virtual}, []query.Record{{"name": "virtual", "col": "v", "is_generated": "1"}})
	require.NoError(t, requireColumns([]*tableShape{virtual}))
	require.NotPanics(t, func() { virtual.rowText(nil) }, "a table may have virtual columns only")
	err := requireColumns([]*tableShape{virtual, gone})
	require.ErrorIs(t, err, errDefinedMeanwhile)
	var transient *report.TransientError
	require.True(t, errors.As(err, &transient))
}

package link

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestSameColumns(t *testing.T) { // H3
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		startLinks(t, p.Pair, false)
		gate := SameColumns(p.Pair, replication.Source)
		plantest.Exercise(t, gate)

		p.SourceInstance.Exec("ALTER TABLE app.notes ADD COLUMN first INT FIRST", "CREATE TABLE app.more (id INT PRIMARY KEY)", "CREATE VIEW app.v AS SELECT id FROM app.notes")
		require.NoError(t, replicationtest.Apply(t, gate), "DDL travels by the link")

		p.TargetInstance.Exec("SET sql_log_bin = 0", "ALTER TABLE app.notes MODIFY COLUMN first INT AFTER text", "ALTER TABLE app.more ADD COLUMN n INT")
		state, err := gate.Op.Check(t.Context())
		require.NoError(t, err)
		require.False(t, state.Done)
		require.Equal(t, "2 tables differ: app.more, app.notes", state.Now)
		replicationtest.RequireHint(t, gate.Op.Apply(t.Context()), "(H3): app.more, app.notes", "sql_log_bin = 0")
	})
}

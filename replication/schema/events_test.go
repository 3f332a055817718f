package schema

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestEventsMoveWithTheWriters(t *testing.T) { // H8
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		p.SourceInstance.Exec("SET SESSION sql_mode = 'ANSI_QUOTES'", "SET SESSION time_zone = '+02:00'",
			"CREATE DEFINER = writer@'%' EVENT app.tick ON SCHEDULE EVERY 1 HOUR DO DELETE FROM app.notes WHERE text = 'x'",
			"CREATE EVENT app.resting ON SCHEDULE EVERY 1 HOUR DISABLE DO SELECT 1")
		const look = "SELECT CONCAT_WS(' ', DEFINER, SQL_MODE, TIME_ZONE) FROM information_schema.EVENTS WHERE EVENT_NAME = 'tick'"
		const status = "SELECT GROUP_CONCAT(STATUS ORDER BY EVENT_NAME) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'app'"
		was := p.SourceInstance.Value(look)
		binlog := p.SourceInstance.Value("SELECT @@GLOBAL." + map[servertest.Flavor]string{
			servertest.MariaDB: "gtid_binlog_pos", servertest.MySQL: "gtid_executed",
		}[flavor])

		plantest.Exercise(t, Events(p.Source, []string{"app"}, false))
		require.Contains(t, p.SourceInstance.Value(status), "SIDE_DISABLED")
		require.NoError(t, fence.Set(p.Source, fence.Options{}).Op.Apply(t.Context()))
		plantest.Exercise(t, Events(p.Source, []string{"app"}, true))
		require.Equal(t, "DISABLED,ENABLED", p.SourceInstance.Value(status))
		require.Equal(t, was, p.SourceInstance.Value(look), "definer, sql_mode and time zone stay")
		set, err := replication.Executed(t.Context(), p.Source)
		require.NoError(t, err)
		before, err := replication.ParseGTIDSet(map[servertest.Flavor]dialect.Flavor{servertest.MariaDB: dialect.MariaDB, servertest.MySQL: dialect.MySQL}[flavor], binlog)
		require.NoError(t, err)
		require.True(t, set.Equal(before), "nothing of it is in the binlog")
	})
}

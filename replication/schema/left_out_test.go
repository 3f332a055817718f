package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestAViewIsNotLeftOutBecauseOfALock reads a view whose table is locked: that is an error,
// and does not make the view a broken one.
func TestAViewIsNotLeftOutBecauseOfALock(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, _ := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE shop", "USE shop", "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE VIEW v AS SELECT id FROM t",
			"CREATE TABLE gone (id INT)", "CREATE VIEW broken AS SELECT id FROM gone", "DROP TABLE gone")
		session, err := pair.Source.Session(t.Context(), "SET SESSION lock_wait_timeout = 1")
		require.NoError(t, err)
		defer session.Close()
		holder, err := source.Root().Conn(t.Context())
		require.NoError(t, err)
		defer holder.Close()
		_, err = holder.ExecContext(t.Context(), "LOCK TABLES shop.t WRITE")
		require.NoError(t, err)
		why, err := schema.LeftOut(t.Context(), session, schema.Object{Kind: schema.KindView, Schema: "shop", Name: "v"})
		require.Equal(t, uint16(1205), query.ErrorNumber(err))
		require.Empty(t, why)
		why, err = schema.LeftOut(t.Context(), session, schema.Object{Kind: schema.KindView, Schema: "shop", Name: "broken"})
		require.NoError(t, err)
		require.Contains(t, why, "broken on the source")
	})
}

package seed

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
)

// TestTablesAreNotedBeforeTheyAreMade proves that nothing stays on the target of a table
// that an attempt has begun and that the source has dropped since.
func TestTablesAreNotedBeforeTheyAreMade(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	pair.Schemas = nil
	source.Exec("CREATE DATABASE app", "CREATE TABLE app.a (id INT PRIMARY KEY)", "CREATE TABLE app.b (id INT PRIMARY KEY)")
	run := beginRun(t, pair)
	c, err := schema.NewCreator(t.Context(), pair.Source, pair.Target)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, run.makeSchemas(t.Context()))
	broken := &sourceTable{Table: table.Table{Schema: "app", Name: "b"}, sequence: true, object: schema.Object{Kind: schema.KindSequence, Schema: "app", Name: "b", Create: "no SQL"}}
	made := &sourceTable{Table: table.Table{Schema: "app", Name: "a"}, sequence: true, object: schema.Object{Kind: schema.KindSequence, Schema: "app", Name: "a", Create: "CREATE TABLE a (id INT)"}}
	require.Error(t, run.makeTables(t.Context(), c, []*sourceTable{made, broken}, nil), "it ends in the middle")
	require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app'"))
	source.Exec("DROP TABLE app.a")
	require.NoError(t, Step(pair).Op.Apply(t.Context()))
	require.Equal(t, "b", target.Value("SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app'"))
}

package seed

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/used"
	"github.com/dcmigrate/migrate/report"
)

// TestUndoLeavesATargetThatIsUsed proves that the undo of a seed drops nothing of a target
// that accepts writes, or that has some which the source lacks (I10). The journal may be
// an old one.
func TestUndoLeavesATargetThatIsUsed(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE shop", "CREATE TABLE shop.a (id INT PRIMARY KEY)", "INSERT INTO shop.a VALUES (1)")
		step := Step(pair)
		require.NoError(t, step.Op.Apply(t.Context()))
		undo := func(wanted string) {
			t.Helper()
			err := step.Op.Undo(t.Context(), nil)
			require.ErrorContains(t, err, wanted)
			require.NotEmpty(t, report.Hint(err))
			require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM shop.a WHERE id = 1"))
		}
		target.Exec("SET GLOBAL read_only = 0")
		undo("main (target) accepts application writes")
		target.Exec("SET GLOBAL read_only = 1", "CREATE TABLE migrate.heartbeat (id INT PRIMARY KEY)", "INSERT INTO migrate.heartbeat VALUES (1)")
		require.NoError(t, used.Refuse(t.Context(), pair), "migrate's own schema does not count")
		target.Exec("CREATE USER someone@'%' IDENTIFIED BY 'x'", "INSERT INTO shop.a VALUES (2)")
		undo(`main (target) has writes that main (source) lacks, in schema "" (CREATE), shop.a`)

		target.Exec(map[servertest.Flavor]string{servertest.MariaDB: "RESET MASTER", servertest.MySQL: "RESET BINARY LOGS AND GTIDS"}[flavor])
		require.NoError(t, step.Op.Undo(t.Context(), nil))
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'shop'"))
	})
}

package seed

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestApplicationsSchemaOfMigratesNameIsRefused proves that a schema migrate that migrate did
// not make stops the seed before anything is changed, whatever it holds (I10).
func TestApplicationsSchemaOfMigratesNameIsRefused(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE shop", "CREATE TABLE shop.a (id INT PRIMARY KEY)")
		for name, statements := range map[string][]string{
			"empty":         {},
			"a table":       {"CREATE TABLE migrate.versions (id INT PRIMARY KEY)"},
			"of our names":  {"CREATE TABLE migrate.heartbeat (id INT PRIMARY KEY)", "CREATE TABLE migrate.seed (id INT PRIMARY KEY)"},
			"a view":        {"CREATE VIEW migrate.v AS SELECT 1 AS a"},
			"a routine":     {"CREATE PROCEDURE migrate.p() SELECT 1"},
			"a function":    {"CREATE FUNCTION migrate.f() RETURNS INT DETERMINISTIC RETURN 1"},
			"an event":      {"CREATE EVENT migrate.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.a"},
			"beside tables": {"CREATE TABLE migrate.a (id INT) COMMENT 'kept by migrate until the move is finished'", "CREATE PROCEDURE migrate.p() SELECT 1"},
		} {
			for side, s := range map[string]*servertest.Instance{"source": source, "target": target} {
				t.Run(name+" on the "+side, func(t *testing.T) {
					s.Exec(append([]string{"CREATE DATABASE migrate"}, statements...)...)
					defer s.Exec("DROP DATABASE migrate")
					_, err := Step(pair).Op.Check(t.Context())
					require.ErrorIs(t, err, replication.ErrForeignSchema)
					require.ErrorContains(t, err, "("+side+")")
					require.ErrorIs(t, Step(pair).Op.Apply(t.Context()), replication.ErrForeignSchema)
					require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop'"))
				})
			}
		}
	})
}

// TestOnlyMarkedTablesAreDropped proves that finish and the undo of a seed leave what others
// have put into migrate's schema meanwhile.
func TestOnlyMarkedTablesAreDropped(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE shop", "CREATE TABLE shop.a (id INT PRIMARY KEY)")
		step := Step(pair)
		seeded := func() {
			require.NoError(t, step.Op.Apply(t.Context()))
			require.Equal(t, "seed", target.Value("SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'migrate'"))
		}
		left := func() string {
			return target.Value(`SELECT GROUP_CONCAT(name ORDER BY name) FROM (SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'migrate'
				UNION SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'migrate') AS list`)
		}
		foreign := []string{"CREATE PROCEDURE migrate.p() SELECT 1", "CREATE TABLE migrate.versions (id INT PRIMARY KEY)"}
		seeded()
		target.Exec(append([]string{"SET sql_log_bin = 0"}, foreign...)...)
		replicationtest.WhileFenced(target, func() { require.NoError(t, step.Op.Undo(t.Context(), nil)) })
		require.Equal(t, "p,versions", left())
		target.Exec("DROP DATABASE migrate")

		seeded()
		target.Exec(foreign...)
		forget := Forget(pair.Target).Op
		require.NoError(t, forget.Apply(t.Context()))
		require.NoError(t, forget.Verify(t.Context()))
		require.Equal(t, "p,versions", left())
		state, err := forget.Check(t.Context())
		require.NoError(t, err)
		require.True(t, state.Done)
		require.Contains(t, state.Now, "table versions there is not migrate's, and stays")
	})
}

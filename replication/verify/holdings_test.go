package verify

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestHoldingsAreEverythingThatAServerHolds reads the catalogues of real servers.
func TestHoldingsAreEverythingThatAServerHolds(t *testing.T) {
	var known []string
	for _, h := range holdings {
		known = append(known, h.tables...)
	}
	var seen []string
	for _, flavor := range servertest.Flavors() {
		s := servertest.Start(t, flavor)
		tables, err := query.Strings(t.Context(), s.Root(), "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'mysql'")
		require.NoError(t, err)
		for _, name := range tables {
			require.Contains(t, known, name, "%s has a table mysql.%s: is it compared, or why not?", flavor, name)
		}
		seen = append(seen, tables...)
	}
	for _, name := range known {
		require.Contains(t, seen, name, "no server has it")
	}
	page, err := os.ReadFile("../../docs/verify.md")
	require.NoError(t, err)
	for _, h := range holdings {
		row := "| " + h.what + " | yes |"
		if h.not != "" {
			row = "| " + h.what + " | no: " + h.not + " |"
		}
		require.Contains(t, string(page), row)
	}
}

// TestWhatBelongsToTheServerIsCompared copies it, and then changes one thing at a time on
// the target.
func TestWhatBelongsToTheServerIsCompared(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE shop COLLATE utf8mb4_bin", "CREATE TABLE shop.t (id INT PRIMARY KEY)",
			"CREATE SERVER other FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', HOST 'h', DATABASE 'd', PASSWORD 'it''s', PORT 3307)")
		changes := []struct{ change, undo, object, what string }{
			{"DROP SERVER other", "CREATE SERVER other FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', HOST 'h', DATABASE 'd', PASSWORD 'it''s', PORT 3307)", "server other", "missing on"},
			{"ALTER SERVER other OPTIONS (PASSWORD 'else')", "ALTER SERVER other OPTIONS (PASSWORD 'it''s')", "server other", "made otherwise"},
			{"CREATE SERVER more FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'h')", "DROP SERVER more", "server more", "only on"},
			{"ALTER DATABASE shop COLLATE utf8mb4_unicode_ci", "ALTER DATABASE shop COLLATE utf8mb4_bin", "schema shop", "utf8mb4_unicode_ci"},
			{"SET GLOBAL sql_mode = 'ANSI'", "SET GLOBAL sql_mode = DEFAULT", "global sql_mode", "ANSI_QUOTES"},
		}
		if flavor == servertest.MariaDB {
			source.Exec("ALTER DATABASE shop COMMENT 'it''s a shop'", "GRANT SELECT ON shop.* TO PUBLIC", "GRANT INSERT, UPDATE ON shop.t TO PUBLIC WITH GRANT OPTION",
				"CREATE SEQUENCE shop.s START WITH 5 INCREMENT BY 3 CACHE 10", "CREATE SEQUENCE shop.down START WITH -5 INCREMENT BY -3", "SELECT NEXTVAL(shop.s), NEXTVAL(shop.down)")
			changes = append(changes, []struct{ change, undo, object, what string }{
				{"REVOKE SELECT ON shop.* FROM PUBLIC", "GRANT SELECT ON shop.* TO PUBLIC", "GRANT SELECT ON `shop`.* TO PUBLIC", "missing on"},
				{"GRANT DELETE ON shop.* TO PUBLIC", "REVOKE DELETE ON shop.* FROM PUBLIC", "GRANT SELECT, DELETE ON `shop`.* TO PUBLIC", "only on"},
				{"ALTER DATABASE shop COMMENT 'else'", "ALTER DATABASE shop COMMENT 'it''s a shop'", "schema shop", "else"},
				{"ALTER SEQUENCE shop.s RESTART 5", "ALTER SEQUENCE shop.s RESTART 35", "sequence shop.s", "goes on at 5 "},
				{"ALTER SEQUENCE shop.down RESTART -5", "ALTER SEQUENCE shop.down RESTART -3005", "sequence shop.down", "goes on at -5 "},
			}...)
		} else {
			changes = append(changes, []struct{ change, undo, object, what string }{
				{"SET GLOBAL activate_all_roles_on_login = ON", "SET GLOBAL activate_all_roles_on_login = OFF", "global activate_all_roles_on_login", "is \"ON\""},
				{"SET GLOBAL mandatory_roles = 'r'", "SET GLOBAL mandatory_roles = ''", "global mandatory_roles", "is \"r\""},
			}...)
		}
		seedPair(t, pair)
		verify := func() []Difference {
			report, err := Run(t.Context(), pair, Options{})
			require.NoError(t, err)
			require.NotEmpty(t, report.NotCompared)
			return report.Differences
		}
		require.Empty(t, verify())
		for _, c := range changes {
			unlogged(target, c.change)
			found := verify()
			require.True(t, slices.ContainsFunc(found, func(d Difference) bool { return d.Object == c.object }), "%s: %v", c.change, found)
			for _, d := range found {
				if d.Object == c.object {
					require.Contains(t, d.What, c.what, c.change)
				}
				require.NotContains(t, d.String(), "it's", "no password in a report")
			}
			unlogged(target, c.undo)
		}
		require.Empty(t, verify())
		replicationtest.WhileFenced(target, func() { require.NoError(t, seed.Step(pair).Op.Undo(t.Context(), nil)) })
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM mysql.servers"))
		if flavor == servertest.MariaDB {
			public, err := query.Strings(t.Context(), target.Root(), "SHOW GRANTS FOR PUBLIC")
			require.NoError(t, err)
			require.Empty(t, public)
		}
	})
}

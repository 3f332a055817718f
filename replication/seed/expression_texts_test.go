package seed

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestSeedKeepsTheTextsOfExpressions makes tables, in sessions of several character sets,
// whose expressions hold characters that a session of another one cannot show, and compares
// what both servers do with new rows.
func TestSeedKeepsTheTextsOfExpressions(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE app DEFAULT CHARACTER SET utf8mb4")
		var names []string
		for _, session := range []struct{ set, text string }{{"utf8mb4", "xä€😀"}, {"latin1", "x\xe4\xdf"}, {"utf8mb3", "xä€"}, {"cp1251", "\xc6\xff"}} {
			for name, columns := range map[string]string{
				"generated": "v VARCHAR(40) AS (CONCAT(id, '#'))", "stored": "v VARCHAR(40) AS (CONCAT(id, '#')) STORED",
				"expression": "v VARCHAR(40) DEFAULT (CONCAT('#', 'y'))", "check": "v VARCHAR(40) DEFAULT 'x', CHECK (v <> '#')",
			} {
				name += "_" + session.set
				source.Exec("SET NAMES "+session.set, "CREATE TABLE app."+name+" (id INT PRIMARY KEY, "+strings.ReplaceAll(columns, "#", session.text)+")",
					"INSERT INTO app."+name+" (id) VALUES (1)")
				names = append(names, name)
			}
			if flavor == servertest.MySQL {
				source.Exec("SET NAMES "+session.set, "CREATE TABLE app.key_"+session.set+" (id VARCHAR(20) PRIMARY KEY, KEY k ((CONCAT(id, '"+session.text+"'))), UNIQUE KEY u ((CONCAT('"+session.text+"', id))))")
				names = append(names, "key_"+session.set)
			}
		}
		require.NoError(t, StepWith(pair, Options{}).Op.Apply(t.Context()))
		for _, name := range names {
			for _, s := range []*servertest.Instance{source, target} {
				s.Exec("INSERT INTO app." + name + " (id) VALUES (2)")
			}
			text := "SELECT GROUP_CONCAT(HEX(CONCAT_WS('|', GENERATION_EXPRESSION, COLUMN_DEFAULT)) ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = '" + name + "'"
			require.Equal(t, source.Value(text), target.Value(text), name)
			if keys := "SELECT GROUP_CONCAT(HEX(EXPRESSION) ORDER BY INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = '" + name + "'"; flavor == servertest.MySQL {
				require.Equal(t, source.Value(keys), target.Value(keys), name)
			}
			rows := "SELECT * FROM app." + name + " ORDER BY 1"
			require.Equal(t, replicationtest.Rows(t, source.Root(), rows), replicationtest.Rows(t, target.Root(), rows), name)
		}
		checks := "SELECT GROUP_CONCAT(HEX(CHECK_CLAUSE) ORDER BY CONSTRAINT_NAME, CHECK_CLAUSE) FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'app'"
		require.Equal(t, source.Value(checks), target.Value(checks))
	})
}

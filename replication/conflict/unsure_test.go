package conflict

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// The report names what the logs do not show, and takes nothing of it for a row.
func TestConflictsNameWhatLogsCannotTell(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		special := map[servertest.Flavor][]string{
			servertest.MariaDB: {
				"CREATE TABLE app.odd (id INT PRIMARY KEY, long_text TEXT, packed VARCHAR(2000), UNIQUE KEY by_text (long_text))", // a hidden column
				"INSERT INTO app.odd VALUES (1, 'a', REPEAT('SECRET', 200)), (2, 'b', 'x')",
				"CREATE TABLE app.packed (id INT PRIMARY KEY, packed VARCHAR(2000) COMPRESSED)",
				"INSERT INTO app.packed VALUES (1, REPEAT('SECRET', 200))",
			},
			servertest.MySQL: {
				"CREATE TABLE app.odd (id INT PRIMARY KEY, long_text TEXT, packed VARCHAR(2000), UNIQUE KEY by_text ((UPPER(SUBSTRING(long_text, 1, 20)))))",
				"INSERT INTO app.odd VALUES (1, 'a', REPEAT('SECRET', 200)), (2, 'b', 'x')",
			},
		}[flavor]
		p, store := dualPair(t, flavor, special)
		apart(t, p, func() {
			p.SourceInstance.Exec("UPDATE app.odd SET packed = CONCAT(packed, 's')")
			p.TargetInstance.Exec("UPDATE app.odd SET packed = CONCAT(packed, 't') WHERE id = 2")
		})
		p.SourceInstance.Exec("USE app", "/* by hand */ CREATE TABLE later (id INT PRIMARY KEY)", "ALTER TABLE app.notes ADD COLUMN extra INT", "CREATE USER nobody@nowhere")
		if flavor == servertest.MariaDB {
			p.SourceInstance.Exec("UPDATE app.packed SET packed = CONCAT(packed, 's')")
			p.SourceInstance.Exec("SET SESSION binlog_format = STATEMENT", "UPDATE app.notes SET text = 'by statement' WHERE id = 1")
		}
		exchange(t, p)
		r := closedReport(t, p, store)
		unsure := strings.Join(r.Unsure, "\n")
		require.Contains(t, unsure, "CREATE in schema app by ")
		require.Contains(t, unsure, "ALTER in schema")
		require.Equal(t, 2, strings.Count(unsure, "CREATE")+strings.Count(unsure, "ALTER"), "accounts are no rows: %s", unsure)
		require.NotContains(t, unsure, "SECRET")
		require.NotContains(t, unsure, "by statement")
		if flavor == servertest.MariaDB {
			require.Contains(t, unsure, "UPDATE in schema")
			require.Contains(t, unsure, "table app.packed in ", "compressed columns cannot be decoded")
		} else {
			require.Contains(t, unsure, "unique key by_text of app.odd")
		}
		require.Equal(t, []string{"app.odd (2) update/update"}, lines(r))
	})
}

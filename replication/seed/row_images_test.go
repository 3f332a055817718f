package seed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestSeedFollowsRowImages changes rows in sessions that log less than complete rows, of
// tables with keys of all kinds.
func TestSeedFollowsRowImages(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE s")
		tables := map[string]struct {
			definition string
			values     string // of row i
			changes    []string
		}{
			"two_keys":    {"a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, v INT, w TEXT, UNIQUE KEY z (a, b), UNIQUE KEY y (c)", "%[1]d, %[1]d, %[1]d, 0, 'w'", []string{"UPDATE # SET v = 1 WHERE a = 1", "UPDATE # SET b = 20 WHERE a = 2", "UPDATE # SET c = 30 WHERE a = 3", "DELETE FROM # WHERE a = 4", "UPDATE # SET a = 50, w = 'x' WHERE c = 5"}},
			"late_key":    {"v INT, c INT NOT NULL, a INT NOT NULL, UNIQUE KEY y (c), UNIQUE KEY b (a)", "0, %[1]d, %[1]d", []string{"UPDATE # SET v = 1 WHERE a = 1", "UPDATE # SET a = 20 WHERE a = 2", "UPDATE # SET c = 30 WHERE a = 3", "DELETE FROM # WHERE c = 4"}},
			"composite":   {"a INT, b INT, c VARCHAR(10), v INT, PRIMARY KEY (a, b, c)", "%[1]d, %[1]d, 'x', 0", []string{"UPDATE # SET v = 1 WHERE a = 1", "UPDATE # SET b = 20 WHERE a = 2", "UPDATE # SET a = 30, c = 'y' WHERE a = 3", "DELETE FROM # WHERE a = 4"}},
			"by_default":  {"k VARCHAR(10) NOT NULL DEFAULT 'new', v INT, UNIQUE KEY k (k)", "'k%[1]d', 0", []string{"INSERT INTO # (v) VALUES (7)", "UPDATE # SET v = 1 WHERE k = 'new'", "DELETE FROM # WHERE k = 'k4'", "UPDATE # SET k = 'z ' WHERE k = 'k2'"}},
			"may_be_null": {"a INT, b INT NOT NULL, v INT, UNIQUE KEY a (a), UNIQUE KEY b (b)", "%[1]d, %[1]d, 0", []string{"UPDATE # SET a = NULL WHERE b = 1", "UPDATE # SET b = 20 WHERE a = 2", "UPDATE # SET v = 1 WHERE a IS NULL", "DELETE FROM # WHERE b = 4"}},
			"computed":    {"g INT AS (a + 1) STORED UNIQUE, a INT NOT NULL, v INT, UNIQUE KEY a (a)", "DEFAULT, %[1]d, 0", []string{"UPDATE # SET v = 1 WHERE a = 1", "UPDATE # SET a = 20 WHERE a = 2", "DELETE FROM # WHERE a = 4"}},
			"numbers":     {"f FLOAT, d DOUBLE, b BIT(10), e ENUM('x', 'y', 'z') NOT NULL, s CHAR(5), n DECIMAL(9,3), t TIMESTAMP(3) NOT NULL, v INT, PRIMARY KEY (f, d, b, e, s, n, t)", "%[1]d.1, %[1]d.3, %[1]d, 'y', 'a%[1]d ', %[1]d.125, '2020-01-0%[1]d 01:02:03.123', 0", []string{"UPDATE # SET v = 1 WHERE b = 1", "UPDATE # SET f = 20.7 WHERE b = 2", "UPDATE # SET s = 'Q', e = 'z' WHERE b = 3", "DELETE FROM # WHERE b = 4"}},
			"documents":   {"id INT PRIMARY KEY, v INT, j JSON, w LONGTEXT", "%[1]d, 0, '{\"a\": 1, \"b\": \"%[1]d\", \"c\": \"a text that is long enough\"}', 'w'", []string{"UPDATE # SET j = JSON_SET(j, '$.a', 7) WHERE id < 3", "UPDATE # SET j = JSON_REMOVE(j, '$.b'), id = 30 WHERE id = 3", "DELETE FROM # WHERE id = 4"}},
		}
		sessions := [][]string{{"binlog_row_image = 'MINIMAL'"}, {"binlog_row_image = 'NOBLOB'"}}
		if flavor == servertest.MySQL {
			sessions = append(sessions, []string{"binlog_row_value_options = 'PARTIAL_JSON'"}, []string{"binlog_row_image = 'MINIMAL'", "binlog_row_value_options = 'PARTIAL_JSON'"})
		}
		if _, err := source.Root().ExecContext(t.Context(), "SET SESSION binlog_row_image = 'FULL_NODUP'"); err == nil {
			sessions = append(sessions, []string{"binlog_row_image = 'FULL_NODUP'"})
		}
		for i := range sessions {
			for name, c := range tables {
				table := fmt.Sprintf("s.%s%d", name, i)
				source.Exec("CREATE TABLE " + table + " (" + c.definition + ")")
				for row := range 6 {
					source.Exec("INSERT INTO " + table + " VALUES (" + fmt.Sprintf(c.values, row+1) + ")")
				}
			}
		}
		run := openRun(t, pair, Options{SegmentKeys: 20, Workers: 2})
		require.NoError(t, run.copyAll(t.Context()))
		for i, settings := range sessions {
			var statements []string // of one session
			for _, s := range settings {
				statements = append(statements, "SET SESSION "+s)
			}
			for name, c := range tables {
				for _, change := range c.changes {
					statements = append(statements, strings.ReplaceAll(change, "#", fmt.Sprintf("s.%s%d", name, i)))
				}
			}
			source.Exec(statements...)
		}
		_, err := run.round(t.Context(), true)
		require.NoError(t, err)
		for id := range run.dirty {
			require.Contains(t, id.Name, "by_default", "a row is found by the key that the server logs; only an INSERT may leave that out")
		}
		require.NoError(t, run.copyAll(t.Context()))
		require.Empty(t, differentKeyed(t, run, "s", source, target))
		require.Len(t, run.known.atEnd, 0, "each is kept up by a key")
	})
}

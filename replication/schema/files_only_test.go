package schema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestFilesOnlyFindsDefinitionsThatAreNotPrintedAsTheyAre makes tables whose definitions hold
// characters of four bytes, and some that only look so.
func TestFilesOnlyFindsDefinitionsThatAreNotPrintedAsTheyAre(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor)
		mysql := flavor == servertest.MySQL
		cases := []struct {
			sql   string
			found bool
			only  servertest.Flavor
		}{
			{"(id INT PRIMARY KEY, v ENUM('x😀', 'b'))", true, ""},
			{"(id INT PRIMARY KEY, v SET('b', '😀'))", true, ""},
			{"(id INT PRIMARY KEY, v ENUM('ä', '€', '表'))", false, ""},
			{"(id INT PRIMARY KEY, v ENUM('a?') CHARACTER SET latin1)", false, ""},
			{"(id INT PRIMARY KEY, v VARCHAR(20) DEFAULT 'x😀')", !mysql, ""},
			{"(id INT PRIMARY KEY, v VARCHAR(20) DEFAULT 'it''s /?page=1')", false, ""},
			{"(id INT PRIMARY KEY, v VARCHAR(20) DEFAULT (CONCAT('x😀', 'y')))", false, ""},
			{"(id INT PRIMARY KEY, v VARCHAR(20) DEFAULT (CONCAT('x?', 'y')))", false, ""},
			{"(id INT PRIMARY KEY, v VARCHAR(20), CHECK (v <> 'x😀'))", false, ""},
			{"(id INT PRIMARY KEY, v VARCHAR(20) AS (CONCAT(id, 'x😀')))", false, ""},
			{"(id VARCHAR(20) PRIMARY KEY, KEY k ((CONCAT(id, 'x😀'))))", false, servertest.MySQL},
			{"(id INT PRIMARY KEY COMMENT 'x?') COMMENT 'what?'", false, ""},
		}
		s.Exec("CREATE DATABASE app DEFAULT CHARACTER SET utf8mb4")
		for _, c := range cases {
			if c.only != "" && c.only != flavor {
				continue
			}
			s.Exec("SET NAMES utf8mb4", "CREATE TABLE app.t "+c.sql)
			server := replicationtest.Server(t, s, replication.Source, nil)
			db, d, err := server.Open(t.Context())
			require.NoError(t, err)
			found, err := FilesOnly(t.Context(), db, d)
			require.NoError(t, err, c.sql)
			require.Equal(t, c.found, len(found) > 0 && strings.HasPrefix(found[0], "app.t has "), "%s: %v", c.sql, found)
			s.Exec("DROP TABLE app.t")
		}
	})
}

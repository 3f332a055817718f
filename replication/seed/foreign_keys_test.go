package seed

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/verify"
)

// TestSeedFollowsForeignKeys has the actions of foreign keys change children, over several
// levels, while the tables are copied. The log does not name those rows.
func TestSeedFollowsForeignKeys(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		source.Exec("CREATE TABLE load1.parent (id INT PRIMARY KEY, code VARCHAR(20) UNIQUE)",
			`CREATE TABLE load1.child (parent INT, n INT, code VARCHAR(20), v VARCHAR(20), PRIMARY KEY (parent, n), UNIQUE KEY n (n), KEY code (code), KEY v (v),
				FOREIGN KEY (parent) REFERENCES load1.parent (id) ON DELETE CASCADE ON UPDATE CASCADE,
				FOREIGN KEY (code) REFERENCES load1.parent (code) ON DELETE SET NULL ON UPDATE CASCADE)`,
			`CREATE TABLE load1.grandchild (id INT PRIMARY KEY, parent INT, n INT, KEY p (parent, n),
				FOREIGN KEY (parent, n) REFERENCES load1.child (parent, n) ON DELETE CASCADE ON UPDATE CASCADE)`)
		for i := 1; i <= 60; i++ {
			source.Exec(fmt.Sprintf("INSERT INTO load1.parent VALUES (%d, 'c%d')", i, i))
		}
		for i := 1; i <= 60; i++ {
			source.Exec(fmt.Sprintf("INSERT INTO load1.child VALUES (%d, %d, 'c%d', 'v')", i, i, i%60+1),
				fmt.Sprintf("INSERT INTO load1.grandchild VALUES (%d, %d, %d)", i, i, i))
		}
		finish := startHeld(t, pair, source)
		for i := 1; i <= 20; i++ {
			source.Exec(fmt.Sprintf("DELETE FROM load1.parent WHERE id = %d", i),
				fmt.Sprintf("UPDATE load1.parent SET id = id + 1000 WHERE id = %d", i+20),
				fmt.Sprintf("UPDATE load1.parent SET code = CONCAT('new', code) WHERE id = %d", i+40))
		}
		require.NoError(t, finish())
		require.Equal(t, "40", target.Value("SELECT COUNT(*) FROM load1.grandchild"))
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
		report, err := verify.Run(t.Context(), pair, verify.Options{})
		require.NoError(t, err)
		require.Empty(t, report.Differences, "indexes and keys are in the source's order")
	})
}

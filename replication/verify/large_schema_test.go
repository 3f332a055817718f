package verify

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestVerifyOfALargeSchema: definitions are the same whether a schema's tables are listed
// at once or by pages. What only one side has, or has with another definition, is found
// wherever a page ends.
func TestVerifyOfALargeSchema(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		names := []string{"a", "A", "a\tb", "a b", "é", "Ω", "`", "zz", "_", "日本"}
		for i := range 50 {
			names = append(names, fmt.Sprintf("t%d", i))
		}
		p := fencedPair(t, flavor, func(s *servertest.Instance) {
			s.Exec("CREATE DATABASE few", "CREATE TABLE few.one (id INT PRIMARY KEY)", "CREATE DATABASE crowd")
			for _, name := range names {
				s.Exec("CREATE TABLE " + query.QuoteTable("crowd", name) + " (id INT PRIMARY KEY, v INT)")
			}
			s.Exec("CREATE VIEW crowd.v AS SELECT * FROM crowd.t1", "CREATE TRIGGER crowd.g BEFORE INSERT ON crowd.t2 FOR EACH ROW SET NEW.v = 1")
		})
		damage := []string{"DROP VIEW crowd.v", "DROP TRIGGER crowd.g", "CREATE TABLE crowd.`!` (id INT)", "CREATE TABLE crowd.`日本語` (id INT)", "DROP TABLE few.one"}
		for i, name := range names {
			switch i % 5 {
			case 0:
				damage = append(damage, "DROP TABLE "+query.QuoteTable("crowd", name))
			case 1:
				damage = append(damage, "ALTER TABLE "+query.QuoteTable("crowd", name)+" MODIFY v BIGINT")
			case 2:
				damage = append(damage, "CREATE TABLE "+query.QuoteTable("crowd", name+"x")+" (id INT)")
			}
		}
		tables := 0 // of the source, with those that the damage drops on the target
		for _, s := range []string{"few", "crowd", "app"} {
			n, err := strconv.Atoi(p.SourceInstance.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_TYPE <> 'VIEW' AND TABLE_SCHEMA = ?", s))
			require.NoError(t, err)
			tables += n
		}
		compared := func(batchTables int) (out []string, objects int64) {
			v := newVerifier(p.Pair, Options{MaxDifferences: 1000})
			v.batchTables = batchTables
			require.NoError(t, v.run(t.Context()))
			require.EqualValues(t, tables, v.report.Tables, "each once")
			for _, d := range v.report.Differences {
				out = append(out, d.String())
			}
			slices.Sort(out)
			return out, v.report.Objects
		}
		none, objects := compared(2)
		require.Empty(t, none)
		require.Greater(t, objects, int64(len(names)+3))
		plant(t, p, damage...)
		all, whole := compared(2000)
		require.Equal(t, objects, whole)
		require.Len(t, all, 6+4*12, "%q", all)
		for _, batchTables := range []int{1, 2, 3} {
			some, objects := compared(batchTables)
			require.Equal(t, all, some, "batches of %d", batchTables)
			require.Equal(t, whole, objects)
		}
	})
}

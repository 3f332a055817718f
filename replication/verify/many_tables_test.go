package verify

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// Definitions are the same whether a schema's tables are listed at once or by parts; what only one
// side has, or has otherwise, is found wherever a part ends.
func TestVerifyOfACrowdOfTables(t *testing.T) {
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
		tables := 0 // of the source, those that the damage takes from the target, too
		for _, s := range []string{"few", "crowd", "app"} {
			n, err := strconv.Atoi(p.SourceInstance.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_TYPE <> 'VIEW' AND TABLE_SCHEMA = ?", s))
			require.NoError(t, err)
			tables += n
		}
		compared := func(wave int) (out []string, objects int64) {
			v := newVerifier(p.Pair, Options{MaxDifferences: 1000})
			v.wave = wave
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
		for _, wave := range []int{1, 2, 3} {
			some, objects := compared(wave)
			require.Equal(t, all, some, "waves of %d", wave)
			require.Equal(t, whole, objects)
		}
	})
}

// What is read of a schema is the same in parts of any size.
func TestObjectsAreReadInParts(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor)
		replicationtest.MakeBlogs(s, 2)
		s.Exec("CREATE VIEW blog0.v AS SELECT 1 AS one", "CREATE TABLE blog1.`wp_1 1` (id INT)", "CREATE TABLE blog1.WP_1 (id INT)")
		server := replicationtest.Server(t, s, replication.Source, remote.NewLocal("source"))
		read := func(most int, wanted func(string) bool) (out []string) {
			require.NoError(t, schema.ReadObjects(t.Context(), server, []string{"blog0", "blog1"}, wanted, most, func(o schema.Object) error {
				out = append(out, o.Title()+o.Definition())
				return nil
			}))
			slices.Sort(out)
			return out
		}
		all := read(1000, schema.AnyKind)
		require.Len(t, all, 2*12+3)
		for _, most := range []int{1, 2, 12, 13, 14} {
			require.Equal(t, all, read(most, schema.AnyKind), "parts of %d", most)
		}
		require.Len(t, read(1, schema.IsProgram), 1)
	})
}

package schema

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestObjectsAreReadInParts: what is read of a schema is the same in parts of any size.
func TestObjectsAreReadInParts(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor)
		replicationtest.MakeBlogs(s, 2)
		s.Exec("CREATE VIEW blog0.v AS SELECT 1 AS one", "CREATE TABLE blog1.`wp_1 1` (id INT)", "CREATE TABLE blog1.WP_1 (id INT)")
		server := replicationtest.Server(t, s, replication.Source, remote.NewLocal("source"))
		read := func(most int, wanted func(string) bool) (out []string) {
			require.NoError(t, ReadObjects(t.Context(), server, []string{"blog0", "blog1"}, wanted, most, func(o Object) error {
				out = append(out, o.Title()+o.Definition())
				return nil
			}))
			slices.Sort(out)
			return out
		}
		all := read(1000, AnyKind)
		require.Len(t, all, 2*12+3)
		for _, most := range []int{1, 2, 12, 13, 14} {
			require.Equal(t, all, read(most, AnyKind), "parts of %d", most)
		}
		require.Len(t, read(1, IsProgram), 1)
	})
}

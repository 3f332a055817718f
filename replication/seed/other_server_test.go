package seed

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// TestSeedNoticesAServerPutInAnothersPlace puts a fresh server in the place of the source,
// with its id, port and data directory, and on both flavors the target's files into
// another server.
func TestSeedNoticesAServerPutInAnothersPlace(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		halfSeeded(t, pair, target)

		other := servertest.Start(t, flavor, servertest.Set("server_id", target.Value("SELECT @@server_id")))
		target.Stop()
		other.Stop()
		replaceDir(t, filepath.Join(other.Dir, "data"), func(dir string) {
			out, err := exec.Command("cp", "-a", filepath.Join(target.Dir, "data"), dir).CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
		other.Restart()
		moved := pair
		moved.Target = replicationtest.Server(t, other, replication.Target, nil)
		err := Step(moved).Op.Apply(t.Context())
		require.ErrorContains(t, err, "is not the server that the seed began on")
		require.Contains(t, report.Hint(err), "rollback")
		target.Restart()

		before, err := replication.Identity(t.Context(), pair.Source)
		require.NoError(t, err)
		source.Restart()
		now, err := replication.Identity(t.Context(), pair.Source)
		require.NoError(t, err)
		require.Equal(t, before, now, "a restart changes nothing")
		if flavor == servertest.MySQL {
			source.Stop()
			require.NoError(t, os.Remove(filepath.Join(source.Dir, "data", "auto.cnf"))) // as a fresh one would have
		} else {
			source.Stop()
			replaceDir(t, filepath.Join(source.Dir, "data"), func(dir string) {
				out, err := exec.Command("mariadb-install-db", "--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--datadir="+dir).CombinedOutput()
				require.NoError(t, err, "%s", out)
			})
		}
		source.Restart()
		err = Step(pair).Op.Apply(t.Context())
		require.ErrorContains(t, err, "was seeded from another server")
		require.ErrorContains(t, err, before)
	})
}

// replaceDir removes a folder and has it made again.
func replaceDir(t *testing.T, dir string, create func(dir string)) {
	t.Helper()
	require.NoError(t, os.RemoveAll(dir))
	create(dir)
}

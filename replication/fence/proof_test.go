package fence

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

func TestProofFindsAFenceThatLeaks(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		p.SourceInstance.Exec(replication.CreateOwnSchema)
		require.ErrorContains(t, proveFence(t.Context(), p.Source), "was let in")
	})
}

// TestFenceThatWouldNotSurviveARestartIsRefused lets the server's configuration lift a kept
// fence at its next start. The fence is refused, and nothing of it is left.
func TestFenceThatWouldNotSurviveARestartIsRefused(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		s := p.SourceInstance
		lifts := map[servertest.Flavor]string{servertest.MariaDB: "read_only = 0", servertest.MySQL: "persisted_globals_load = OFF"}[flavor]
		file := filepath.Join(s.ConfDir, "zzz-later.cnf")
		require.NoError(t, os.WriteFile(file, []byte("[mysqld]\n"+lifts+"\n"), 0o644))
		step := Set(p.Source, Options{Wait: time.Second})
		err := step.Op.Apply(t.Context())
		require.ErrorContains(t, err, "would not be in force after a restart")
		require.Contains(t, report.Hint(err), "take it out")
		now, err := Read(t.Context(), p.Source)
		require.NoError(t, err)
		require.Equal(t, State{Open: true}, now)

		require.NoError(t, os.Remove(file))
		if flavor == servertest.MariaDB { // on the command line it wins whatever is kept, so that the plan says it
			s.Arguments = []string{"--skip-read-only"}
			s.Restart()
			_, err := step.Op.Check(t.Context())
			require.ErrorContains(t, err, "its command line sets read_only to OFF")
			s.Arguments = nil
			s.Restart()
		}
		require.NoError(t, step.Op.Apply(t.Context()))
		s.Restart()
		now, err = Read(t.Context(), p.Source)
		require.NoError(t, err)
		require.Equal(t, State{Closed: true, Kept: true}, now)
	})
}

package endtoend

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab"
	"github.com/dcmigrate/migrate/lab/traffic"
)

// TestSeedByFiles moves the site with the database's own files: by mariadb-backup over SSH,
// with the target's server under systemd. It moves there and back, and then rolls everything
// back.
func TestSeedByFiles(t *testing.T) {
	s := openSite(t, "fence", shortTTL)
	require.NoError(t, lab.Apply(filepath.Join(s.dir, "migration.yaml"), []lab.Edit{{Old: "seed: auto", New: "seed: physical"}}))
	out, code := s.runForExitCode("plan")
	require.NotZero(t, code, "mariadb-backup is not there")
	require.Contains(t, out, "mariadb-backup is not installed on db1")
	require.Contains(t, out, "apt-get install mariadb-backup on db1", "the fix")

	require.NoError(t, s.lab.DB.Exec(t.Context(), "DEBIAN_FRONTEND=noninteractive apt-get install -y -q mariadb-backup", nil, nil))
	s.run("inventory", "capture") // so that the new site gets mariadb-backup, too
	out = s.run("plan")
	require.Contains(t, out, "bring the files of db1 (source) to db1 (target)")
	require.Contains(t, out, "by its files: as migration.yaml has it", "the method, before the target is made")
	require.Contains(t, out, "all accounts, root included")

	out = s.run("apply")
	require.Contains(t, out, "the files hold ")
	require.Contains(t, s.runOnTarget("ls /var/lib; systemctl is-active mariadb"), "mysql.migrate")
	s.run("verify")
	s.run("cutover", "--dry-run")
	s.run("cutover")
	s.requireServedBy(traffic.NewSite)
	s.run("rollback")
	s.requireServedBy(traffic.OldSite)
	s.requireNothingLost()
	require.Regexp(t, "undone +seed/main:seed", s.run("rollback", "--all"), "the server runs on its old data again before its droplet goes")
	require.Empty(t, s.lab.DO.Machines())
}

// runOnTarget runs a script on the new database host and returns its output.
func (s *site) runOnTarget(script string) string {
	s.t.Helper()
	host, err := s.lab.Target("db1")
	require.NoError(s.t, err)
	var out strings.Builder
	require.NoError(s.t, host.Exec(s.t.Context(), script, nil, &out))
	return out.String()
}

package endtoend

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/traffic"
)

// TestRollbackAllRestoresEverything: before a cutover, rollback --all leaves no trace at the
// vendors and restores the old site's settings.
func TestRollbackAllRestoresEverything(t *testing.T) {
	s := openSite(t, "fence", 0)
	settings := func() string {
		var out strings.Builder
		require.NoError(t, s.lab.DB.Exec(t.Context(), `mariadb -BN -e "SELECT @@sync_binlog, @@binlog_expire_logs_seconds, @@auto_increment_increment, @@auto_increment_offset, @@read_only; SHOW SLAVE STATUS; SELECT user FROM mysql.user WHERE user LIKE 'migrate%'; SHOW DATABASES"; ls /etc/mysql/*/`, nil, &out))
		return out.String()
	}
	before, records := settings(), s.lab.CF.Records("blog.test")
	s.run("plan")
	s.lab.CF.ResetRequests()
	out, code := s.runForExitCode("rollback", "--all")
	require.Equal(t, 5, code, out)
	require.Empty(t, s.lab.CF.Mutations(), "I6")
	require.Empty(t, s.lab.DO.Mutations(), "I6: plan changes nothing")

	s.run("apply")
	require.NotEqual(t, before, settings())
	require.Contains(t, s.run("rollback", "--all", "--dry-run"), "undo")
	s.run("rollback", "--all")
	require.Equal(t, before, settings())
	require.Empty(t, s.lab.DO.Machines())
	now := s.lab.CF.Records("blog.test")
	require.Len(t, now, len(records))
	for i := range records {
		require.Equal(t, records[i].TTL, now[i].TTL, records[i].Name)
		require.Equal(t, records[i].Content, now[i].Content, records[i].Name)
	}
	s.requireServedBy(traffic.OldSite)
	require.NoError(t, s.traffic.Close())
	require.Zero(t, s.traffic.Log().Summary().Failed)

	s.run("plan")
	out, code = s.runForExitCode("apply", "--to", "databases")
	require.Equal(t, 7, code, out)
}

package capture

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

func TestProgramsOf(t *testing.T) {
	for command, want := range map[string][]string{
		"/srv/app/job --quiet": {"/srv/app/job"},
		"test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/e2fsprogs/e2scrub_all_cron": {"/usr/lib/e2fsprogs/e2scrub_all_cron"},
		"cd / && run-parts --report /etc/cron.hourly":                                       nil,
		"cd /srv/app && /usr/bin/php /srv/app/cron.php >/dev/null 2>&1":                     {"/srv/app/cron.php"},
		"nice -n 10 /opt/a | /opt/b > /var/log/x; [ -x /opt/c ] && /opt/d":                  {"/opt/a", "/opt/b", "/opt/d"},
		"python3 -u /opt/rotate.py /etc/x":                                                  {"/opt/rotate.py"},
		"mysqldump shop | gzip > /srv/x.gz":                                                 nil,
	} {
		t.Run(command, func(t *testing.T) {
			require.Equal(t, want, programsOf(command))
		})
	}
}

const atScript = `#!/bin/sh
# atrun uid=1000 gid=1000
# mail dev 0
umask 22
LANG=C.UTF-8; export LANG
DB_PASSWORD=hunter2-and-more; export DB_PASSWORD
PATH=/usr/bin:/bin; export PATH
cd /srv/blog || {
	 echo 'Execution directory inaccessible' >&2
	 exit 1
}
${SHELL:-/bin/sh} << 'marcinDELIMITER5f9a7c1d'
mysqldump -phunter2-and-more shop >/srv/shop.sql

/opt/rotate/rotate.py # soon
marcinDELIMITER5f9a7c1d
`

func TestAtCommand(t *testing.T) {
	require.Equal(t, "mysqldump -phunter2-and-more shop >/srv/shop.sql; /opt/rotate/rotate.py # soon", atCommand(atScript))
	require.Equal(t, "/opt/a; /opt/b", atCommand("#!/bin/sh\ncd / || {\n exit 1\n}\n/opt/a\n/opt/b\n"))
	require.Equal(t, "/opt/a", atCommand("/opt/a"))
	require.Empty(t, atCommand(""))
}

// A job of at is listed with its time and its user, without the secrets of the
// environment that the user submitted it in.
func TestCaptureAtJobs(t *testing.T) {
	host := newDebianHost(t, "bookworm")
	host.write(t, "/var/spool/cron/atjobs/a0001201d4f5c3", atScript, 0o700)
	host.write(t, "/var/spool/cron/atjobs/.SEQ", "00012\n", 0o600)
	require.NoError(t, os.Chown(host.root+"/var/spool/cron/atjobs/a0001201d4f5c3", 1, 1))
	objects := t.TempDir()
	o := testOptions()
	o.Objects = inventory.NewObjects(objects)
	r := Hosts(t.Context(), []Target{{Host: host}}, o)[0]
	require.NoError(t, r.Err)
	job := find(r.Host.CronJobs, func(j inventory.CronJob) bool { return isAtJob(string(j.File)) })
	require.NotNil(t, job)
	require.Equal(t, "once at 2028-06-07 21:23 UTC", job.Schedule)
	require.Equal(t, "daemon", job.User)
	require.Contains(t, job.Command, "shop >/srv/shop.sql; /opt/rotate/rotate.py")
	require.Contains(t, r.Host.Coverage.Unexplained, "cron job /var/spool/cron/atjobs/a0001201d4f5c3:0")

	text, err := json.Marshal(r.Host)
	require.NoError(t, err)
	require.NotContains(t, string(text), "hunter2")
	require.NoError(t, filepath.WalkDir(objects, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		require.NotContains(t, string(text), "hunter2")
		return err
	}))
}

package parity

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

// sourceAndClone starts app1 of provisiontest.Site and its clone, both as sandboxes.
func sourceAndClone(t *testing.T) (provision.Site, provision.Deps, remote.Host, remote.Host) {
	t.Helper()
	provisiontest.RequireSandbox(t)
	file, authorized := provisiontest.Identity(t)
	directory, err := provision.OpenDirectory(t.TempDir(), provisiontest.SandboxPort)
	require.NoError(t, err)
	hosts := provisiontest.NewHosts(t, file, directory)
	private, public := provisiontest.NewKey(t)
	clone := netip.MustParseAddr("127.77.4.11")
	s, err := provisiontest.StartSandbox(t.TempDir(), clone, private, authorized)
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	require.NoError(t, directory.Record(provision.Host{Name: "app1", Droplet: 1, Public: clone, Private: netip.MustParseAddr("10.9.0.11"), HostKey: public}))
	require.NoError(t, directory.Record(provision.Host{Name: "db1", Droplet: 2, Public: netip.MustParseAddr("203.0.113.20"), Private: netip.MustParseAddr("10.9.0.12")}))
	source := hosts.AddSource(t, "app1", authorized, netip.MustParseAddr("127.77.4.10"))
	provisiontest.WaitFor(t, hosts.Target("app1"))
	return provisiontest.Site(authorized), provision.Deps{Directory: directory, Hosts: hosts, Interval: 50 * time.Millisecond}, source, hosts.Target("app1")
}

const makeSource = `set -eu
groupadd --gid 7001 blogg
useradd --uid 7001 --gid blogg --no-create-home --home-dir /srv/blog --shell /usr/sbin/nologin blog
mkdir -p "/srv/blog/conf.d" /srv/blog/empty /srv/single
cd /srv/blog
printf 'db=192.0.2.20:3306\nself=192.0.2.10\nother=192.0.2.200 1192.0.2.20\nname=old-db.example\n' >app.conf
printf 'db 192.0.2.20\000binary' >app.bin
printf 'allow 192.0.2.20/24;\nallow 192.0.2.10-192.0.2.20;\nallow 192.0.2.20/32;\n~ 192\\.0\\.2\\.10\n' >networks.conf
printf 'no address here\n' >"conf.d/with space
and newline"
ln -s app.conf current
ln -s /nowhere dangling
mkfifo pipe
head -c 3000000 /dev/urandom >blob
chmod 0640 app.conf; chmod 2750 conf.d; chmod 4755 blob
chown -R blog:blogg .
touch -d '2020-02-03 04:05:06' app.conf blob app.bin
touch -h -d '2020-02-03 04:05:06' current
printf 'listen 192.0.2.10\n' >/srv/single/site.conf
`

func TestFilesStep(t *testing.T) {
	site, d, source, target := sourceAndClone(t)
	site.Hosts[1].OldNames = []string{"old-db.example"}
	app := provision.Application{Name: "blog", Hosts: []string{"app1"}, Files: []string{"/srv/blog", "/srv/single/site.conf"}}
	provisiontest.Output(t, source, makeSource)
	// Undo brings back exactly what stands on the clone now.
	provisiontest.Output(t, target, `mkdir -p /srv/blog; printf 'old\n' >/srv/blog/app.conf; chmod 600 /srv/blog/app.conf; ln -s elsewhere /srv/blog/current`)
	const listSrv = `cd /srv; find . -not -path . \( -type d -printf '%p %m %u\n' -o -printf '%p %y %m %u %l\n' \) | sort; cat blog/app.conf; getent passwd blog || true`
	before := provisiontest.Output(t, target, listSrv)

	step := newFiles(site, app, "app1", d)
	plantest.Exercise(t, step)

	require.Equal(t, "db=10.9.0.12:3306\nself=127.77.4.11\nother=192.0.2.200 1192.0.2.20\nname=10.9.0.12\n", provisiontest.Output(t, target, "cat /srv/blog/app.conf"),
		"another host by its private address, a public host itself by its public one, nothing that only looks alike")
	require.Equal(t, "listen 127.77.4.11\n", provisiontest.Output(t, target, "cat /srv/single/site.conf"))
	require.Equal(t, "allow 192.0.2.20/24;\nallow 192.0.2.10-192.0.2.20;\nallow 10.9.0.12/32;\n~ 192\\.0\\.2\\.10\n", provisiontest.Output(t, target, "cat /srv/blog/networks.conf"),
		"networks, ranges and patterns stay")
	const listBlog = `cd /srv/blog; sha256sum app.bin blob; find . -type f -printf '%p %m %u %g %TY-%Tm-%Td %TH:%TM\n' -o -printf '%p %m %u %g %l\n' | grep -v pipe | sort`
	require.Equal(t, provisiontest.Output(t, source, listBlog), provisiontest.Output(t, target, listBlog), "content of binaries, owners, modes, times and links are the source's")
	require.Equal(t, "7001:7001\n", provisiontest.Output(t, target, "stat -c %u:%g /srv/blog/blob"), "the missing account was made")

	checked, err := step.Op.Check(t.Context())
	require.NoError(t, err)
	require.True(t, checked.Done)
	require.Contains(t, checked.Want, "3 with new addresses, 2 with old ones that stay")

	t.Run("what stays is noted with the reason", func(t *testing.T) {
		provisiontest.Output(t, source, "printf '# changed\\n' >>/srv/blog/networks.conf")
		var notes []string
		require.NoError(t, step.Op.Apply(report.WithNotes(t.Context(), func(text string) { notes = append(notes, text) })))
		for _, want := range []string{
			"on app1, /srv/blog/networks.conf:1: 192.0.2.20 stays, as it stands for a network",
			"on app1, /srv/blog/networks.conf:2: 192.0.2.10 stays, as it is an end of a range",
			"on app1, /srv/blog/networks.conf:2: 192.0.2.20 stays, as it is an end of a range",
			`on app1, /srv/blog/networks.conf:4: 192\.0\.2\.10 stays, as it is part of a pattern`,
			"new addresses written into /srv/blog/networks.conf on app1",
		} {
			require.Contains(t, notes, want)
		}
	})
	t.Run("a change at the source is copied again", func(t *testing.T) {
		provisiontest.Output(t, source, `printf 'db=192.0.2.20\nnew\n' >/srv/blog/app.conf; printf x >/srv/blog/added`)
		again, err := step.Op.Check(t.Context())
		require.NoError(t, err)
		require.False(t, again.Done)
		require.JSONEq(t, string(checked.Before), string(again.Before))
		provisiontest.Apply(t, step)
		require.Equal(t, "db=10.9.0.12\nnew\n", provisiontest.Output(t, target, "cat /srv/blog/app.conf"))
	})
	t.Run("undo brings back what stood there first", func(t *testing.T) {
		require.NoError(t, step.Op.Undo(t.Context(), checked.Before))
		require.Equal(t, before, provisiontest.Output(t, target, listSrv))
		require.Empty(t, provisiontest.Output(t, target, "ls /var/lib/migrate/before"))
	})
	t.Run("what is not at the source is an error", func(t *testing.T) {
		app.Files = append(app.Files, "/srv/missing")
		_, err := newFiles(site, app, "app1", d).Op.Check(t.Context())
		require.ErrorContains(t, err, "/srv/missing")
	})
}

func TestFilesBeforeTheDropletsAreMade(t *testing.T) {
	directory, err := provision.OpenDirectory(t.TempDir(), 0)
	require.NoError(t, err)
	site := provisiontest.Site("")
	app := provision.Application{Name: "blog", Hosts: []string{"app1"}, Files: []string{"/srv/blog"}, Services: []string{"blog.service"}}
	d := provision.Deps{Directory: directory}
	for _, op := range []plan.Op{
		newFiles(site, app, "app1", d).Op,
		newServices(app, "app1", d).Op,
	} {
		s, err := op.Check(t.Context())
		require.NoError(t, err)
		require.True(t, s.Unknown)
		require.NotEmpty(t, s.Now)
		require.NoError(t, op.Undo(t.Context(), nil), "without a droplet there is nothing to undo")
	}
}

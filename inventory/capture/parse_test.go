package capture

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/inventory/show"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const hosts = "../../testdata/hosts/"

// recorded reads an answer that was kept as a file for each section's output
// (.out), errors (.err) and status, and puts it together as a host would send it.
func recorded(t testing.TB, name string, self int) []byte {
	dir := hosts + name
	files, err := filepath.Glob(dir + "/*.out")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var status, sizes, data bytes.Buffer
	fmt.Fprintf(&status, "Welcome to %s\n%sself %d\n", name, magic, self)
	for _, file := range files {
		section := strings.TrimSuffix(filepath.Base(file), ".out")
		code, err := os.ReadFile(strings.TrimSuffix(file, ".out") + ".status")
		if err != nil {
			code = []byte("0")
		}
		fmt.Fprintf(&status, "status %s %s\n", section, strings.TrimSpace(string(code)))
		for _, part := range []string{".out", ".err"} {
			text, err := os.ReadFile(strings.TrimSuffix(file, ".out") + part)
			if part == ".out" {
				require.NoError(t, err)
			}
			fmt.Fprintf(&sizes, "%8d /dev/shm/migrate.x/%s%s\n", len(text), section, part)
			data.Write(text)
		}
	}
	return []byte(status.String() + "sizes\n" + sizes.String() + "   99 total\ndata\n" + data.String() + "end\n")
}

// recordedContents reads the files that were kept of a host.
func recordedContents(t testing.TB, name string) map[string]string {
	contents := map[string]string{}
	root := hosts + name + "/contents"
	require.NoError(t, filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		contents[strings.TrimPrefix(path, root)] = string(text)
		return err
	}))
	return contents
}

func fixture(t testing.TB) *inventory.Host {
	a, err := parseFrames(recorded(t, "db1", 1201))
	require.NoError(t, err)
	return parseAnswer(t, a, Target{
		Host:  remote.NewLocal("db1"),
		Roles: []string{"db"},
		Files: []string{"/etc/default/cron"},
		MySQL: &MySQLTarget{Socket: "/run/mysqld/mysqld.sock", User: "root"},
	}, recordedContents(t, "db1"))
}

// parseAnswer reads an answer as if it came in the second that the host's clock
// says.
func parseAnswer(t testing.TB, a answer, target Target, contents map[string]string) *inventory.Host {
	p := newParser(target.withDefaults(), a, options().Redactor)
	p.now = time.Unix(1790000000, 0).UTC()
	p.facts()
	p.contents = contents
	require.NoError(t, p.finish(nil))
	return p.host
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(hosts+name, got, 0o644))
	}
	want, err := os.ReadFile(hosts + name)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestParseCapturedHost(t *testing.T) {
	h := fixture(t)
	var text, shown bytes.Buffer
	require.NoError(t, inventory.WriteJSON(&text, h))
	golden(t, "db1.json", text.Bytes())
	require.NoError(t, show.Overview(&shown, []*inventory.Host{h}))
	shown.WriteByte('\n')
	require.NoError(t, show.Host(&shown, h))
	golden(t, "db1.txt", shown.Bytes())

	require.Contains(t, h.Disks, inventory.Disk{Mount: "/var/lib/my sql", Device: "/dev/sdb1", FS: "xfs", Size: 104806400 << 10, Used: 52428800 << 10})
	require.Contains(t, h.Disks, inventory.Disk{Mount: "/mnt/up loads", Device: "10.0.0.9:/export", FS: "nfs4"})
	require.Contains(t, h.Services, inventory.Service{Unit: "getty@tty1.service", Active: "active", Package: "systemd"})
	require.Contains(t, h.Services, inventory.Service{Unit: "backup.service", Active: "failed"})
	require.Contains(t, h.Listeners, inventory.Listener{Protocol: "tcp", Address: "10.0.0.5", Port: 3306, Process: "mariadbd", Package: "mariadb-server", Unit: "mariadb.service", Cause: inventory.Cause{Kind: inventory.ByPackage, Name: "mariadb-server"}})
	require.Contains(t, h.Missing, inventory.Missing{What: "/srv/blog/absent", Reason: inventory.Absent, Detail: "no such file"})
	for _, p := range h.Packages {
		require.NotEqual(t, "old-package", p.Name, "it is removed, only its settings are left")
		if p.Name == "libc6" {
			require.Equal(t, p.Architecture == "i386", p.Manual)
		}
	}
}

func TestParseFrames(t *testing.T) {
	const one = magic + "self 7\nstatus os 0\nsizes\n4 /x/os.out\n3 /x/os.err\n"
	for _, c := range []struct{ name, answer, err string }{
		{"empty", "", "does not begin"},
		{"in the middle of a line", "x" + one + "data\nend\nerrend\n", "does not begin"},
		{"no sizes", magic + "self 7\nstatus os 0\ndata\nend\n", "tells no sizes"},
		{"no data", magic + "self 7\nsizes\n", "cut off"},
		{"body cut off", one + "data\nen", "cut off"},
		{"end cut off", one + "data\nend\nerr", "cut off"},
		{"more than was counted", one + "data\nend\nerrXend\n", "cut off"},
		{"huge", magic + "self 7\nstatus os 0\nsizes\n9223372036854775807 /x/os.out\n3 /x/os.err\ndata\nend\n", "cut off"},
		{"negative", magic + "self 7\nstatus os 0\nsizes\n-1 /x/os.out\ndata\nend\n", "bad size"},
		{"no section", magic + "nonsense\nsizes\n\ndata\nend\n", "no section is"},
		{"no size of it", magic + "self 7\nstatus os 0\nsizes\n3 /x/other.out\ndata\nend\n", "tells no size of os.out"},
		{"twice", magic + "self 7\nstatus os 0\nstatus os 0\nsizes\n0 x\ndata\nend\n", "comes twice"},
		{"framed lies", "motd\n" + one + "data\nend\nerrend\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := parseFrames([]byte(c.answer))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, answer{7, map[string]section{"os": {0, []byte("end\n"), []byte("err")}}}, a)
		})
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		status       int
		err          string
		reason, text string
	}{
		{90, "ss is not installed\n", inventory.Absent, "ss is not installed"},
		{124, "", inventory.TimedOut, "it took too long"},
		{137, "half a line", inventory.TimedOut, "it took too long"},
		{1, "cat: /x: Permission denied", inventory.Denied, "cat: /x: Permission denied"},
		{1, "w\nERROR 1698 (28000): Access denied", inventory.Denied, "ERROR 1698 (28000): Access denied"},
		{1, "ERROR 2002 (HY000): Can't connect", inventory.Absent, "ERROR 2002 (HY000): Can't connect"},
		{3, "", inventory.Failed, "status 3"},
	} {
		require.Equal(t, &inventory.Missing{What: "x", Reason: c.reason, Detail: c.text}, section{c.status, nil, []byte(c.err)}.missing("x"))
	}
	require.Nil(t, section{0, nil, []byte("a warning")}.missing("x"))
}

func TestParseListener(t *testing.T) {
	for line, want := range map[string]inventory.Listener{
		`tcp LISTEN 0 80 *:80 *:* users:(("nginx",pid=7,fd=6),("nginx",pid=8,fd=6))`:       {Protocol: "tcp", Address: "*", Port: 80, Process: "nginx"},
		`tcp LISTEN 0 80 [::1]:25 [::]:*`:                                                  {Protocol: "tcp", Address: "::1", Port: 25, Process: ""},
		`udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd resolve",pid=7,fd=6))`: {Protocol: "udp", Address: "127.0.0.53%lo", Port: 53, Process: "systemd resolve"},
	} {
		got, _, err := parseListener(line)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, line := range []string{"tcp", "tcp LISTEN 0 0 nonsense *:*", "tcp LISTEN 0 0 1.1.1.1:x *:*"} {
		_, _, err := parseListener(line)
		require.Error(t, err, line)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	none, err := inventory.Load(filepath.Join(dir, "absent"))
	require.NoError(t, err)
	require.Empty(t, none)
	require.NoError(t, inventory.Save(dir, fixture(t)))
	info, err := os.Stat(filepath.Join(dir, "db1.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	loaded, err := inventory.Load(dir)
	require.NoError(t, err)
	require.Equal(t, []*inventory.Host{fixture(t)}, loaded)
	require.Error(t, inventory.Save(dir, &inventory.Host{Name: "../etc"}))
	for name, c := range map[string]struct{ text, err, hint string }{
		"newer":   {`{"version": 3, "compatible": 3, "name": "x"}`, "version 3 is newer", "use the newer migrate"},
		"older":   {`{"version": 1, "name": "x"}`, "version 1 is older", "migrate inventory capture"},
		"torn":    {`{"version": 2, "na`, "unexpected end", "migrate inventory capture"},
		"foreign": {`{}`, "no inventory of a host", "migrate inventory capture"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x.json"), []byte(c.text), 0o600))
			_, err := inventory.Load(dir)
			require.ErrorContains(t, err, c.err)
			require.ErrorContains(t, err, "x.json")
			require.Contains(t, report.Hint(err), c.hint)
		})
	}
}

// A file of a newer program that says that this one may read it is read; what
// is not known is passed over, and that is said.
func TestLoadNewer(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "web1.json"), []byte(`{"version": 7, "compatible": 2, "name": "web1",
		"gpus": [{"name": "x"}], "packages": [{"name": "a", "version": "1", "flavour": "b"}, {"name": "c", "flavour": "d"}],
		"files": [{"path": {"base64": "/w=="}, "kind": "file"}], "mysql": {"variables": {"any": "name"}}}`), 0o600))
	loaded, err := inventory.Load(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"gpus", "packages.flavour"}, loaded[0].Unknown)
	require.Equal(t, inventory.Text("\xff"), loaded[0].Files[0].Path)
	for _, show := range []func(io.Writer) error{
		func(w io.Writer) error { return show.Overview(w, loaded) },
		func(w io.Writer) error { return show.Host(w, loaded[0]) },
	} {
		var out bytes.Buffer
		require.NoError(t, show(&out))
		require.Contains(t, out.String(), "note: the inventory of web1 is of a newer migrate: gpus, packages.flavour: passed over")
	}
}

func TestOpenKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "inventory.key")
	key, err := inventory.OpenKey(file)
	require.NoError(t, err)
	require.Len(t, key, redact.KeySize)
	again, err := inventory.OpenKey(file)
	require.NoError(t, err)
	require.Equal(t, key, again)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.NoError(t, os.WriteFile(file, key[:5], 0o600))
	_, err = inventory.OpenKey(file)
	require.ErrorContains(t, err, "it has 5 bytes, not 32")
	require.NotEmpty(t, report.Hint(err))
}

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
		require.Equal(t, want, programsOf(command), command)
	}
}

func TestPrintable(t *testing.T) {
	require.Equal(t, `a\x1b[31m"b\ c\n`, inventory.Printable("a\x1b[31m\"b\\ c\n"))
}

func FuzzAnswer(f *testing.F) {
	f.Add(recorded(f, "db1", 1201))
	f.Add([]byte(magic + "self 1\nsizes\ndata\nend\n"))
	target := Target{Host: remote.NewLocal("db1"), Files: []string{"/x"}, MySQL: &MySQLTarget{}}
	f.Fuzz(func(t *testing.T, answer []byte) {
		a, err := parseFrames(answer)
		if err != nil {
			return
		}
		h := parseAnswer(t, a, target, nil)
		require.Equal(t, h, parseAnswer(t, a, target, nil), "parsing twice differs")
		require.NoError(t, show.Overview(&bytes.Buffer{}, []*inventory.Host{h}))
		require.NoError(t, show.Host(&bytes.Buffer{}, h))
	})
}

// A host of containers has their file systems mounted, each of which shows the space of the host's own.
func TestStackedFileSystemsAreNoDisks(t *testing.T) {
	p := &parser{host: &inventory.Host{}}
	require.NoError(t, p.df(`Filesystem Type 1024-blocks Used Available Capacity Mounted on
/dev/vda1 ext4 264212084 36824432 58676832 39% /
overlay overlay 264212084 36824432 58676832 39% /var/lib/docker/overlay2/0123/merged
overlay overlay 264212084 36824432 58676832 39% /var/lib/docker/overlay2/4567/merged
`))
	require.Len(t, p.host.Disks, 1)
	p = &parser{host: &inventory.Host{}}
	require.NoError(t, p.df("overlay overlay 264212084 36824432 58676832 39% /\n"))
	require.Len(t, p.host.Disks, 1, "the root of a host that is stacked itself")
}

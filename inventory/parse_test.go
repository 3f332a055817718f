package inventory

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const hosts = "../testdata/hosts/"

func fixture(t testing.TB) *Host {
	answer, err := os.ReadFile(hosts + "db1.answer")
	require.NoError(t, err)
	sections, err := parseFrames(answer)
	require.NoError(t, err)
	return parseHost(Target{
		Host:  remote.NewLocal("db1"),
		Roles: []string{"db"},
		Files: []string{"/etc/default/cron"},
		MySQL: &MySQLTarget{Socket: "/run/mysqld/mysqld.sock", User: "root"},
	}, sections)
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
	require.NoError(t, WriteJSON(&text, h))
	golden(t, "db1.json", text.Bytes())
	require.NoError(t, Show(&shown, []*Host{h}))
	shown.WriteByte('\n')
	require.NoError(t, ShowHost(&shown, h))
	golden(t, "db1.txt", shown.Bytes())

	require.Contains(t, h.Disks, Disk{Mount: "/var/lib/my sql", Device: "/dev/sdb1", FS: "xfs", Size: 104806400 << 10, Used: 52428800 << 10})
	require.Contains(t, h.Disks, Disk{Mount: "/mnt/up loads", Device: "10.0.0.9:/export", FS: "nfs4"})
	require.Contains(t, h.Services, Service{"getty@tty1.service", "", "active", "systemd"})
	require.Contains(t, h.Services, Service{"backup.service", "", "failed", ""})
	require.Contains(t, h.Listeners, Listener{"tcp", "10.0.0.5", 3306, "mariadbd", "mariadb-server"})
	require.Contains(t, h.Missing, Missing{"/srv/blog/absent", Absent, "no such file"})
	for _, p := range h.Packages {
		require.NotEqual(t, "old-package", p.Name, "it is removed, only its settings are left")
		if p.Name == "libc6" {
			require.Equal(t, p.Architecture == "i386", p.Manual)
		}
	}
}

func TestParseFrames(t *testing.T) {
	for _, c := range []struct{ name, answer, err string }{
		{"empty", "", "does not begin"},
		{"in the middle of a line", "x" + magic + "end\n", "does not begin"},
		{"no end", magic, "cut off"},
		{"body cut off", magic + "section os 0 9 0\nabc\nend\n", "cut off"},
		{"huge", magic + "section os 0 9223372036854775807 9223372036854775807\nend\n", "cut off"},
		{"negative", magic + "section os 0 -1 0\nend\n", "bad number"},
		{"no section", magic + "nonsense\nend\n", "no section begins"},
		{"twice", magic + "section os 0 0 0\nsection os 0 0 0\nend\n", "comes twice"},
		{"framed lies", "motd\n" + magic + "section os 0 4 3\nend\nerrend\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			sections, err := parseFrames([]byte(c.answer))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, map[string]section{"os": {0, []byte("end\n"), []byte("err")}}, sections)
		})
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		status       int
		err          string
		reason, text string
	}{
		{90, "ss is not installed\n", Absent, "ss is not installed"},
		{124, "", TimedOut, "it took too long"},
		{137, "half a line", TimedOut, "it took too long"},
		{1, "cat: /x: Permission denied", Denied, "cat: /x: Permission denied"},
		{1, "w\nERROR 1698 (28000): Access denied", Denied, "ERROR 1698 (28000): Access denied"},
		{1, "ERROR 2002 (HY000): Can't connect", Absent, "ERROR 2002 (HY000): Can't connect"},
		{3, "", Failed, "status 3"},
	} {
		require.Equal(t, &Missing{"x", c.reason, c.text}, section{c.status, nil, []byte(c.err)}.missing("x"))
	}
	require.Nil(t, section{0, nil, []byte("a warning")}.missing("x"))
}

func TestParseListener(t *testing.T) {
	for line, want := range map[string]Listener{
		`tcp LISTEN 0 80 *:80 *:* users:(("nginx",pid=7,fd=6),("nginx",pid=8,fd=6))`:       {"tcp", "*", 80, "nginx", ""},
		`tcp LISTEN 0 80 [::1]:25 [::]:*`:                                                  {"tcp", "::1", 25, "", ""},
		`udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd resolve",pid=7,fd=6))`: {"udp", "127.0.0.53%lo", 53, "systemd resolve", ""},
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
	none, err := Load(filepath.Join(dir, "absent"))
	require.NoError(t, err)
	require.Empty(t, none)
	require.NoError(t, Save(dir, fixture(t)))
	info, err := os.Stat(filepath.Join(dir, "db1.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	loaded, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, []*Host{fixture(t)}, loaded)
	require.Error(t, Save(dir, &Host{Name: "../etc"}))
	for name, c := range map[string]struct{ text, err, hint string }{
		"newer":   {`{"version": 2, "name": "x"}`, "version 2 is newer", "use the newer migrate"},
		"torn":    {`{"version": 1, "na`, "unexpected end", "migrate inventory capture"},
		"foreign": {`{}`, "no inventory of a host", "migrate inventory capture"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x.json"), []byte(c.text), 0o600))
			_, err := Load(dir)
			require.ErrorContains(t, err, c.err)
			require.ErrorContains(t, err, "x.json")
			require.Contains(t, plan.Hint(err), c.hint)
		})
	}
}

func TestPrintable(t *testing.T) {
	require.Equal(t, `a\x1b[31m"b\ c\n`, printable("a\x1b[31m\"b\\ c\n"))
	require.Equal(t, "1.50 GiB", Bytes(3<<29))
	require.Equal(t, "999 B", Bytes(999))
}

func FuzzAnswer(f *testing.F) {
	answer, err := os.ReadFile(hosts + "db1.answer")
	require.NoError(f, err)
	f.Add(answer)
	f.Add([]byte(magic + "section files 0 0 0\nend\n"))
	target := Target{Host: remote.NewLocal("db1"), Files: []string{"/x"}, MySQL: &MySQLTarget{}}
	f.Fuzz(func(t *testing.T, answer []byte) {
		sections, err := parseFrames(answer)
		if err != nil {
			return
		}
		h := parseHost(target, sections)
		require.Equal(t, h, parseHost(target, sections), "parsing twice differs")
		require.NoError(t, Show(&bytes.Buffer{}, []*Host{h}))
		require.NoError(t, ShowHost(&bytes.Buffer{}, h))
	})
}

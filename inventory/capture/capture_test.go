package capture

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/inventory/show"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

func options() Options {
	return Options{AtOnce: 1, Redactor: redact.New(make([]byte, redact.KeySize))}
}

var withMySQLToo = append([]string{
	"mysql-variables", "mysql-settings", "mysql-schemas", "mysql-users", "mysql-grants", "mysql-replication", "mysql-replicas", "mysql-space",
	"processes", "process-words", "process-status",
}, few...)

// few are sections enough for a test of something else.
var few = []string{"os", "machine", "disks", "packages", "listeners", "files", "sums"}

func capture(t *testing.T, target Target) *inventory.Host {
	t.Helper()
	results := Hosts(t.Context(), []Target{target}, options())
	require.Len(t, results, 1)
	require.NoError(t, results[0].Err)
	return results[0].Host
}

func reasons(h *inventory.Host) map[string]string {
	m := map[string]string{}
	for _, x := range h.Missing {
		m[x.What] = x.Reason
	}
	return m
}

func TestCaptureThisMachine(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	h := capture(t, Target{Host: remote.NewLocal("web1"), Roles: []string{"web", "app"}})
	require.Equal(t, "web1", h.Name)
	require.Equal(t, []string{"app", "web"}, h.Roles)
	require.Equal(t, inventory.Version, h.Version)
	require.WithinDuration(t, time.Now(), h.CapturedAt, time.Minute)
	require.NotEmpty(t, h.OS.ID)
	require.NotEmpty(t, h.OS.Kernel)
	require.Positive(t, h.CPU.Count)
	require.Greater(t, h.Memory.Total, int64(64<<20))
	require.NotEmpty(t, h.Disks, "%v", h.Missing)

	_, err = exec.LookPath("dpkg-query")
	remotetest.Need(t, err == nil, "Debian's dpkg")
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "dpkg").Output()
	require.NoError(t, err)
	var found bool
	for _, p := range h.Packages {
		found = found || p.Name == "dpkg" && p.Version == string(out)
	}
	require.True(t, found, "dpkg is installed in version %s", out)

	_, err = exec.LookPath("ss")
	remotetest.Need(t, err == nil, "the Debian package iproute2")
	want := inventory.Listener{Protocol: "tcp", Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, Process: filepath.Base(os.Args[0])}
	if len(want.Process) > 15 {
		want.Process = want.Process[:15]
	}
	var ours []inventory.Listener
	for _, l := range h.Listeners {
		if l.Port == want.Port {
			ours = append(ours, inventory.Listener{Protocol: l.Protocol, Address: l.Address, Port: l.Port, Process: l.Process})
		}
	}
	require.Equal(t, []inventory.Listener{want}, ours)
}

func TestCaptureIsStable(t *testing.T) {
	target := Target{Host: remote.NewLocal("web1"), Files: []string{"/etc/passwd", "/etc/default"}}
	first, second := capture(t, target), capture(t, target)
	for _, h := range []*inventory.Host{first, second} {
		h.CapturedAt = time.Time{}
		h.Listeners = nil // other tests open and close some
		h.Disks = nil     // and fill the disk
	}
	for _, h := range []*inventory.Host{first, second} {
		h.Programs, h.Connections, h.Coverage = nil, nil, inventory.Coverage{} // as above
		h.Network, h.Firewall = inventory.Network{}, nil                       // and make hosts of the lab
	}
	require.Equal(t, first, second)
}

func TestCaptureFiles(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "app", "tab\tnew\nline\xff")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "app"), 0o750))
	require.NoError(t, os.WriteFile(odd, []byte("contents-canary"), 0o640))
	require.NoError(t, os.Symlink("/nowhere/it's", filepath.Join(dir, "app", "link")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "it's $(one)"), nil, 0o4755))
	require.NoError(t, os.Chmod(filepath.Join(dir, "it's $(one)"), 0o755|os.ModeSetuid))
	h := capture(t, Target{Host: remote.NewLocal("web1"), only: few, Files: []string{
		dir + "/app/", odd, dir + "/it's $(one)", dir + "/absent",
	}})
	sum := sha256.Sum256([]byte("contents-canary"))
	empty := sha256.Sum256(nil)
	user, group := h.Files[0].Owner, h.Files[0].Group
	require.NotEmpty(t, user)
	base := inventory.File{UID: os.Getuid(), GID: os.Getgid(), Owner: user, Group: group}
	with := func(path, kind, mode string, size int64, sha, target string) inventory.File {
		f := base
		f.Path, f.Kind, f.Mode, f.Size, f.SHA256, f.Target = inventory.Text(path), kind, mode, size, sha, inventory.Text(target)
		return f
	}
	kept := with(odd, "file", "0640", 15, "", "")
	kept.HMAC = options().Redactor.Hash(hex.EncodeToString(sum[:]))
	require.Equal(t, []inventory.File{
		with(dir+"/app", "folder", "0750", 0, "", ""),
		with(dir+"/app/link", "link", "0777", 0, "", "/nowhere/it's"),
		kept, // only its group may read it, and so nobody may try guesses
		with(dir+"/it's $(one)", "file", "4755", 0, hex.EncodeToString(empty[:]), ""),
	}, h.Files)
	require.Equal(t, inventory.Absent, reasons(h)[dir+"/absent"])

	state := filepath.Join(t.TempDir(), "inventory") // every byte of the name survives the file
	require.NoError(t, inventory.Save(state, h))
	loaded, err := inventory.Load(state)
	require.NoError(t, err)
	require.Equal(t, []*inventory.Host{h}, loaded)
}

// With a PATH of its own, the script finds only the tools linked there.
type narrow struct {
	remote.Host
	dir string
}

func (n narrow) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return n.Host.Run(ctx, strings.Replace(script, "\nPATH=", "\nPATH="+n.dir+" #", 1), stdin, stdout)
}

func tools(t *testing.T, names ...string) string {
	dir := t.TempDir()
	for _, name := range names {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(dir, name)))
	}
	return dir
}

// addTool writes a program of the test's own. It never writes through a link to
// a program of the machine.
func addTool(t *testing.T, dir, name, script string) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	require.NoError(t, err)
	_, err = f.WriteString("#!/bin/sh\n" + script + "\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

var coreTools = []string{"sh", "cat", "mktemp", "rm", "timeout", "wc", "tail", "head", "uname", "getconf", "sed"}

func TestCaptureMissingTools(t *testing.T) {
	host := narrow{remote.NewLocal("old1"), tools(t, coreTools...)}
	h := capture(t, Target{Host: host, Files: []string{"/etc/passwd"}, MySQL: &MySQLTarget{Socket: "/nowhere/mysqld.sock"}})
	require.NotEmpty(t, h.OS.ID)
	require.Contains(t, h.Missing, inventory.Missing{What: "listeners", Reason: inventory.Absent, Detail: "ss is not installed"})
	require.Contains(t, h.Missing, inventory.Missing{What: "packages", Reason: inventory.Absent, Detail: "dpkg-query is not installed"})
	require.Contains(t, h.Missing, inventory.Missing{What: "unit-files", Reason: inventory.Absent, Detail: "systemctl is not installed"})
	require.Contains(t, h.Missing, inventory.Missing{What: "files", Reason: inventory.Absent, Detail: "find is not installed"})
	require.Contains(t, h.Missing, inventory.Missing{What: "mysql-variables", Reason: inventory.Absent, Detail: "no socket /nowhere/mysqld.sock"})
	require.Contains(t, h.Missing, inventory.Missing{What: "contents", Reason: inventory.Absent, Detail: "tar is not installed"})
	require.Nil(t, h.MySQL)
	var out bytes.Buffer
	require.NoError(t, show.Host(&out, h))
	require.Contains(t, out.String(), "ss is not installed")
}

func TestCaptureHangingTool(t *testing.T) {
	dir := tools(t, append(coreTools, "sleep")...)
	addTool(t, dir, "ss", "sleep 300 & echo $! >"+dir+"/pid; wait")
	short := shortLimits{narrow{remote.NewLocal("old1"), dir}}
	begin := time.Now()
	h := capture(t, Target{Host: short, only: few})
	require.Less(t, time.Since(begin), 30*time.Second)
	require.Contains(t, h.Missing, inventory.Missing{What: "listeners", Reason: inventory.TimedOut, Detail: "it took too long"})
	require.NotEmpty(t, h.OS.ID)
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return gone(strings.TrimSpace(string(pid))) }, 5*time.Second, 10*time.Millisecond, "what hung still runs")
}

// gone reports whether a process has ended, even where nothing reaps it.
func gone(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// shortLimits makes a limit of 30 seconds one of 1.
type shortLimits struct{ remote.Host }

var thirty = regexp.MustCompile(`(?m)^run (\S+) 30 '`)

func (s shortLimits) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return s.Host.Run(ctx, thirty.ReplaceAllString(script, "run $1 1 '"), stdin, stdout)
}

func TestCaptureCancelled(t *testing.T) {
	dir := tools(t, append(coreTools, "sleep")...)
	addTool(t, dir, "df", "echo $$ >"+dir+"/pid; exec sleep 300")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan []Result, 1)
	go func() {
		done <- Hosts(ctx, []Target{{Host: narrow{remote.NewLocal("old1"), dir}}}, options())
	}()
	var pid []byte
	require.Eventually(t, func() bool {
		pid, _ = os.ReadFile(filepath.Join(dir, "pid"))
		return len(pid) > 0
	}, 10*time.Second, 10*time.Millisecond)
	cancel()
	results := <-done
	require.ErrorIs(t, results[0].Err, context.Canceled)
	require.Eventually(t, func() bool { return gone(strings.TrimSpace(string(pid))) }, 5*time.Second, 10*time.Millisecond)
}

// deadHost fails as one that is down does.
type deadHost struct{ remote.Host }

func (deadHost) Run(context.Context, string, io.Reader, io.Writer) error {
	return errors.New("connect: no route")
}

// oddHost answers what it is told to.
type oddHost struct {
	remote.Host
	answer string
}

func (o oddHost) Run(_ context.Context, _ string, _ io.Reader, stdout io.Writer) error {
	_, err := io.WriteString(stdout, o.answer)
	return err
}

func TestCaptureManyHosts(t *testing.T) {
	targets := []Target{
		{Host: deadHost{remote.NewLocal("down1")}},
		{Host: oddHost{remote.NewLocal("odd1"), "Welcome!\n"}},
		{Host: oddHost{remote.NewLocal("odd2"), magic + "self 1\nstatus os 0\nsizes\n5 os.out\n"}},
		{Host: remote.NewLocal("bad1"), Files: []string{"relative"}},
	}
	for i := range 4 {
		targets = append(targets, Target{Host: remote.NewLocal(fmt.Sprintf("web%d", i)), only: few})
	}
	results := Hosts(t.Context(), targets, Options{AtOnce: 3, Redactor: options().Redactor})
	require.ErrorContains(t, results[0].Err, "capture down1: connect: no route")
	require.ErrorContains(t, results[1].Err, "capture odd1")
	require.ErrorIs(t, results[2].Err, errCutOff)
	require.ErrorContains(t, results[3].Err, `"relative" is no absolute path`)
	for i, r := range results {
		require.Equal(t, targets[i].Host.Name(), r.Name)
		require.Equal(t, i < 4, r.Host == nil)
		require.Equal(t, i < 4, r.Err != nil)
	}
}

func TestCaptureOverSSH(t *testing.T) {
	sshd := remotetest.StartSSHD(t)
	for _, user := range []string{"root", remotetest.Sudoer} {
		cfg := sshd.Config("web1")
		cfg.User = user
		host := remote.NewSSH(cfg)
		defer host.Close()
		h := capture(t, Target{Host: host, Files: []string{"/etc/shadow"}, only: append([]string{"owners", "processes", "process-status", "process-groups"}, few...)})
		require.Len(t, h.Files, 1)
		require.Empty(t, h.Files[0].SHA256+h.Files[0].HMAC+h.Files[0].Content, "it is never read")
		require.Contains(t, h.Secrets, inventory.Secret{Path: "/etc/shadow", Kind: "file"})
		require.Equal(t, "root", h.As)
		require.NotEmpty(t, h.Packages)
		var ours *inventory.Listener
		for i, l := range h.Listeners {
			if l.Port == sshd.Port {
				ours = &h.Listeners[i]
			}
		}
		require.NotNil(t, ours)
		require.Equal(t, "sshd", ours.Process)
		require.Equal(t, "openssh-server", ours.Package)
		require.Equal(t, inventory.Cause{Kind: inventory.ByPackage, Name: "openssh-server"}, ours.Cause)
	}
}

// I7: no secret reaches the inventory.
func TestCaptureKeepsNoSecret(t *testing.T) {
	db := startMariaDB(t)
	db.exec(t, "CREATE DATABASE `it's``odd\ttab`", "CREATE DATABASE blog", "CREATE TABLE blog.posts (id INT PRIMARY KEY, t TEXT)",
		"INSERT INTO blog.posts VALUES (1, 'canary-row')",
		"CREATE USER 'app'@'10.0.0.%' IDENTIFIED BY 'canary-password'", "CREATE USER ''@'localhost' IDENTIFIED BY 'canary-password'")
	hash := strings.TrimSpace(db.exec(t, "SELECT PASSWORD('canary-password')"))
	require.True(t, strings.HasPrefix(hash, "*"))

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "env"), []byte("DB_PASSWORD=canary-env\n"), 0o600))
	sleeper := exec.Command("sh", "-c", "sleep 300 # --password=canary-argv")
	require.NoError(t, sleeper.Start())
	defer func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() }()

	h := capture(t, Target{Host: remote.NewLocal("db1"), Files: []string{dir}, MySQL: &MySQLTarget{Socket: db.socket}, only: withMySQLToo})
	require.NotNil(t, h.MySQL, "%v", h.Missing)
	require.Contains(t, h.MySQL.Version, "MariaDB")
	require.Equal(t, []string{"blog", "it's`odd\ttab"}, []string{h.MySQL.Schemas[0].Name, h.MySQL.Schemas[1].Name})
	require.Equal(t, []string{"InnoDB"}, h.MySQL.Schemas[0].Engines)
	require.Contains(t, h.MySQL.Grants, inventory.Grant{Account: "`app`@`10.0.0.%`", Statement: "GRANT USAGE ON *.* TO `app`@`10.0.0.%`"})
	require.NotNil(t, find(h.MySQL.Settings, func(s inventory.Setting) bool { return s.Name == "skip_networking" && s.Source == "COMMAND-LINE" }), "%v", h.MySQL.Settings)
	require.Empty(t, h.MySQL.Replicas)
	require.Equal(t, 1, h.MySQL.Schemas[0].Tables)
	require.Positive(t, h.MySQL.Schemas[0].Size)
	require.Contains(t, h.MySQL.Users, inventory.User{User: "app", Host: "10.0.0.%"})
	require.Contains(t, h.MySQL.Users, inventory.User{User: "", Host: "localhost"})
	require.Equal(t, "0", h.MySQL.Variables["gtid_domain_id"])
	require.Contains(t, h.MySQL.Variables, "sync_binlog")
	require.Positive(t, h.MySQL.FreeSpace)

	state := t.TempDir()
	require.NoError(t, inventory.Save(state, h))
	stored, err := os.ReadFile(filepath.Join(state, "db1.json"))
	require.NoError(t, err)
	var shown bytes.Buffer
	require.NoError(t, show.Overview(&shown, []*inventory.Host{h}))
	require.NoError(t, show.Host(&shown, h))
	for _, text := range []string{string(stored), shown.String()} {
		require.Contains(t, text, "db1")
		require.NotContains(t, text, "canary")
		require.NotContains(t, text, hash[1:])
	}
	var again inventory.Host
	require.NoError(t, json.Unmarshal(stored, &again))
	require.Equal(t, *h, again)

	denied := capture(t, Target{Host: remote.NewLocal("db1"), MySQL: &MySQLTarget{Socket: db.socket, User: "app"}, only: withMySQLToo})
	require.Equal(t, inventory.Denied, reasons(denied)["mysql-variables"])
	require.Nil(t, denied.MySQL)
}

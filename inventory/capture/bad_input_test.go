package capture

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
	"github.com/dcmigrate/migrate/report"
)

// plainUser runs what it is told as nobody.
type plainUser struct{ remote.Host }

func (p plainUser) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return p.Host.Run(ctx, "exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c "+remote.Quote(script), stdin, stdout)
}

// A plain user gets what it may see, and a list of what it may not.
func TestCaptureAsPlainUser(t *testing.T) {
	_, err := exec.LookPath("setpriv")
	remotetest.Need(t, err == nil && os.Geteuid() == 0, "root and setpriv, to become somebody else")
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "open"), []byte("a"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "closed"), []byte("b"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "private"), 0o700))
	h := capture(t, Target{Host: plainUser{remote.NewLocal("web1")}, Files: []string{dir}, only: append([]string{
		"tree", "tree-sums", "passwords", "processes", "process-status",
	}, few...)})
	require.NotEqual(t, "root", h.As)
	require.NotEmpty(t, h.Packages)
	missing := fmt.Sprint(h.Missing)
	require.Contains(t, missing, dir+"/closed")
	require.Contains(t, missing, "/private")
	require.Contains(t, missing, "/etc/ssl/private")
	require.Equal(t, inventory.Denied, reasons(h)["sums"])
	require.Equal(t, inventory.Denied, reasons(h)["passwords"])
	open := find(h.Files, func(f inventory.File) bool { return f.Path == inventory.Text(dir+"/open") })
	require.Len(t, open.SHA256, 64)
	closed := find(h.Files, func(f inventory.File) bool { return f.Path == inventory.Text(dir+"/closed") })
	require.Empty(t, closed.SHA256+closed.HMAC)
}

// A login that cannot become root gets what it may see, over a real sshd, and a
// word that this is not all.
func TestCaptureWithoutSudo(t *testing.T) {
	cfg := remotetest.StartSSHD(t).Config("guest1")
	cfg.User = remotetest.Guest // sudo would ask for a password
	host := remote.NewSSH(cfg)
	defer host.Close()
	h := capture(t, Target{Host: host, Files: []string{"/etc/hosts", "/etc/shadow"}, only: append([]string{"passwords", "tree", "redis", "accounts"}, few...)})
	require.Equal(t, remotetest.Guest, h.As)
	require.Equal(t, inventory.Denied, reasons(h)["redis"], "other users' programs are hidden")
	require.Equal(t, inventory.Denied, reasons(h)["/root/.ssh/authorized_keys"])
	require.NotEmpty(t, h.Packages)
	require.Contains(t, h.Missing, inventory.Missing{What: "root", Reason: inventory.Denied, Detail: "sudo -n does not work here: what only root may see is missing"})
	require.Equal(t, inventory.Denied, reasons(h)["passwords"])
	require.Len(t, find(h.Files, func(f inventory.File) bool { return f.Path == "/etc/hosts" }).SHA256, 64)
}

// A login that has the wrong key or is not allowed: the host fails with the
// reason, the other is whole.
func TestCaptureRefusedLogins(t *testing.T) {
	sshd := remotetest.StartSSHD(t)
	wrong, stranger := sshd.Config("wrong1"), sshd.Config("stranger1")
	wrong.IdentityFile = filepath.Join(t.TempDir(), "id")
	remotetest.NewKey(t, wrong.IdentityFile)
	stranger.KnownHosts = []string{filepath.Join(t.TempDir(), "known_hosts")}
	targets := []Target{{Host: remote.NewLocal("web1"), only: few}}
	for _, cfg := range []remote.SSHConfig{wrong, stranger} {
		host := remote.NewSSH(cfg)
		defer host.Close()
		targets = append(targets, Target{Host: host})
	}
	results := Hosts(t.Context(), targets, Options{AtOnce: 4, Redactor: options().Redactor})
	require.NoError(t, results[0].Err)
	require.NotEmpty(t, results[0].Host.Packages)
	for i, name := range map[int]string{1: "wrong1", 2: "stranger1"} {
		require.ErrorContains(t, results[i].Err, "capture "+name)
		require.NotEmpty(t, report.Hint(results[i].Err), "%v", results[i].Err)
	}
}

// onHost changes a script on its way to the host.
type onHost struct {
	remote.Host
	change func(string) string
}

func (o onHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return o.Host.Run(ctx, o.change(script), stdin, stdout)
}

// Network file systems are listed, and never walked: one that hangs would hang
// the capture with it.
func TestCaptureNeverWalksTheNetwork(t *testing.T) {
	dir := t.TempDir()
	share := filepath.Join(dir, "up loads")
	require.NoError(t, os.MkdirAll(filepath.Join(share, "app", ".git"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(share, "app", ".git", "HEAD"), []byte(strings.Repeat("c", 40)), 0o644))
	mounts := filepath.Join(dir, "mounts")
	require.NoError(t, os.WriteFile(mounts, fmt.Appendf(nil, "/dev/vda / ext4 rw 0 0\n10.0.0.9:/export %s nfs4 rw 0 0\n", strings.ReplaceAll(share, " ", `\040`)), 0o644))
	host := onHost{remote.NewLocal("web1"), func(s string) string { return strings.ReplaceAll(s, "/proc/self/mounts", mounts) }}
	h := capture(t, Target{Host: host, Roots: []string{share}, Files: []string{share + "/app", mounts}, only: append([]string{"mounts", "releases"}, few...)})
	require.Equal(t, inventory.Skipped, reasons(h)[share+"/app"])
	require.Len(t, h.Files, 1, "only the one that is local")
	require.Nil(t, find(h.Releases, func(r inventory.Release) bool { return strings.HasPrefix(string(r.Path), share) }))
	require.NotNil(t, find(h.Disks, func(d inventory.Disk) bool { return d.Mount == share && d.FS == "nfs4" && d.Size == 0 }))
}

// A host with nothing to write to fails with that reason; one whose usual
// folders are full or read-only is captured by way of another.
func TestCaptureWithoutSpace(t *testing.T) {
	for _, c := range []struct{ writable, err string }{
		{"nowhere", "neither /dev/shm, /run, /tmp nor /var/tmp can be written to"},
		{"/tmp/*", ""},
	} {
		dir := tools(t, append([]string{"df", "dpkg-query"}, coreTools[:1]...)...)
		for _, name := range coreTools[1:] {
			if name != "mktemp" {
				path, err := exec.LookPath(name)
				require.NoError(t, err)
				require.NoError(t, os.Symlink(path, filepath.Join(dir, name)))
			}
		}
		real, err := exec.LookPath("mktemp")
		require.NoError(t, err)
		addTool(t, dir, "mktemp", "case $2 in "+c.writable+") exec "+real+" \"$@\" ;; esac\necho 'No space left on device' >&2; exit 1")
		results := Hosts(t.Context(), []Target{{Host: narrow{remote.NewLocal("full1"), dir}, only: few}}, options())
		if c.err != "" {
			require.ErrorContains(t, results[0].Err, c.err)
			continue
		}
		require.NoError(t, results[0].Err)
		require.NotEmpty(t, results[0].Host.Packages)
	}
}

// A disk that fills up in the middle: half an answer is no answer.
func TestCaptureCutOffAnywhere(t *testing.T) {
	whole := recorded(t, "db1", 1201)
	_, err := parseFrames(whole)
	require.NoError(t, err)
	for at := 0; at < len(whole)-1; at += 97 {
		_, err := parseFrames(whole[:at])
		require.Error(t, err, "cut off after %d bytes", at)
	}
}

// A huge /etc is captured; beyond a limit its contents stay, and that is said.
func TestCaptureHugeConfiguration(t *testing.T) {
	a, err := parseFrames(recorded(t, "db1", 1201))
	require.NoError(t, err)
	var tree, sums strings.Builder
	for i := range maxContents + 100 {
		fmt.Fprintf(&tree, "f\x00644\x000\x000\x00root\x00root\x005\x00/etc/huge/%06d\x00\x00", i)
		fmt.Fprintf(&sums, "%064d  /etc/huge/%06d\x00", i, i)
	}
	a.sections["tree"], a.sections["tree-sums"] = section{out: []byte(tree.String())}, section{out: []byte(sums.String())}
	p := newParser(Target{Host: oddHost{remote.NewLocal("db1"), ""}}.withDefaults(), a, options().Redactor)
	p.facts()
	require.Len(t, p.host.Configuration, maxContents+100)
	require.Error(t, p.fetch(t.Context()), "the host sends no archive")
	require.Contains(t, reasons(p.host), "contents")
	require.Equal(t, inventory.Skipped, reasons(p.host)["contents"])
}

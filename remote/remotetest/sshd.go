// Package remotetest holds what tests of remote hosts share: a real sshd, free
// ports, and the suite that every remote.Host passes.
//
// StartSSHD needs root, openssh-server and sudo. A test whose needs are not met is
// skipped, but fails in CI. Everything that a test starts ends with it.
package remotetest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dcmigrate/migrate/remote"
)

// Users of the sshd besides root. They exist only in its own mount namespace.
const (
	Sudoer = "operator" // may use sudo -n
	Guest  = "visitor"  // may not
)

// SSHD is a running sshd of Debian on a loopback port.
type SSHD struct {
	Port         int
	Dir          string // its files, a temporary folder
	IdentityFile string // the private key that logs in as root, Sudoer and Guest
	KnownHosts   string // a file with the ed25519 key of the sshd
	cmd          *exec.Cmd
}

// Need skips the test if ok is false; in CI it fails the test instead. what names
// the thing that is missing.
func Need(t testing.TB, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI needs %s", what)
	}
	t.Skipf("needs %s", what)
}

// have reports whether a program is installed.
func have(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// StartSSHD starts sshd. When the test ends, it stops sshd and its sessions.
func StartSSHD(t testing.TB) *SSHD {
	t.Helper()
	Need(t, os.Geteuid() == 0, "root, to start sshd")
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	Need(t, err == nil, "the Debian package openssh-server")
	Need(t, have("sudo"), "the Debian package sudo")
	dir, err := os.MkdirTemp("", "sshd") // other users cannot enter t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := &SSHD{
		Dir:          dir,
		IdentityFile: filepath.Join(dir, "id"),
		KnownHosts:   filepath.Join(dir, "known_hosts"),
	}
	require.NoError(t, os.Chmod(dir, 0o755))
	public := NewKey(t, d.IdentityFile)
	writeFile(t, filepath.Join(dir, "authorized_keys"), ssh.MarshalAuthorizedKey(public), 0o644)
	host := NewKey(t, filepath.Join(dir, "host"))
	out, err := exec.Command("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", filepath.Join(dir, "host_rsa")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	d.Port = FreePort(t)
	line := knownhosts.Line([]string{d.Address()}, host)
	writeFile(t, d.KnownHosts, []byte(line+"\n"), 0o644)
	d.writeAccounts(t)
	writeFile(t, filepath.Join(dir, "sshd_config"), fmt.Appendf(nil, `
ListenAddress 127.0.0.1:%d
HostKey %[2]s/host
HostKey %[2]s/host_rsa
AuthorizedKeysFile %[2]s/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
`, d.Port, dir), 0o644)
	d.start(t, sshd)
	return d
}

// Address returns the host:port that sshd listens on.
func (d *SSHD) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(d.Port)) }

// Config returns the configuration of a host of this name that logs in to sshd as
// root.
func (d *SSHD) Config(name string) remote.SSHConfig {
	return remote.SSHConfig{
		Name:         name,
		Address:      func(context.Context) (string, error) { return "127.0.0.1", nil },
		Port:         d.Port,
		User:         "root",
		IdentityFile: d.IdentityFile,
		KnownHosts:   []string{d.KnownHosts},
	}
}

// writeAccounts writes copies of the system's account files that add Sudoer and
// Guest.
func (d *SSHD) writeAccounts(t testing.TB) {
	for file, lines := range map[string][2]string{
		"passwd": {Sudoer + ":x:64001:64001::/tmp:/bin/sh\n", Guest + ":x:64002:64002::/tmp:/bin/sh\n"},
		"shadow": {Sudoer + ":*:19000:0:99999:7:::\n", Guest + ":*:19000:0:99999:7:::\n"},
		"group":  {Sudoer + ":x:64001:\n", Guest + ":x:64002:\n"},
	} {
		have, err := os.ReadFile("/etc/" + file)
		require.NoError(t, err)
		writeFile(t, filepath.Join(d.Dir, file), append(have, lines[0]+lines[1]...), 0o644)
	}
	sudoers := "Defaults secure_path=/usr/sbin:/usr/bin:/sbin:/bin\n" + Sudoer + " ALL=(ALL) NOPASSWD: ALL\n"
	writeFile(t, filepath.Join(d.Dir, "sudoers"), []byte(sudoers), 0o440)
}

// start runs sshd in a mount namespace that has the account files of writeAccounts.
func (d *SSHD) start(t testing.TB, sshd string) {
	require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // sshd needs it for privilege separation
	var script strings.Builder
	script.WriteString("set -e\n")
	for _, f := range []string{"passwd", "shadow", "group", "sudoers"} {
		fmt.Fprintf(&script, "mount --bind %s/%s /etc/%s\n", d.Dir, f, f)
	}
	fmt.Fprintf(&script, "exec %s -D -e -f %s/sshd_config", sshd, d.Dir)
	log, err := os.Create(filepath.Join(d.Dir, "sshd.log"))
	require.NoError(t, err)
	defer log.Close()
	d.cmd = exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", script.String())
	d.cmd.Stderr = log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // ends sshd with the test, even if that panics
	require.NoError(t, d.cmd.Start())
	t.Cleanup(func() {
		d.KillSessions(t)
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		_ = d.cmd.Wait()
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", d.Address())
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 10*time.Second, 20*time.Millisecond, "sshd does not listen")
}

// KillSessions kills the sshd process of every connection, as a crash would.
func (d *SSHD) KillSessions(t testing.TB) {
	for _, child := range d.children(t) {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
}

func (d *SSHD) children(t testing.TB) []int {
	pid := strconv.Itoa(d.cmd.Process.Pid)
	text, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	require.NoError(t, err)
	var pids []int
	for _, f := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(f)
		require.NoError(t, err)
		pids = append(pids, child)
	}
	return pids
}

// NewKey writes a new ed25519 private key to path and returns its public key.
func NewKey(t testing.TB, path string) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	writeFile(t, path, pem.EncodeToMemory(block), 0o600)
	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	return key
}

func writeFile(t testing.TB, path string, data []byte, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, data, mode))
	require.NoError(t, os.Chmod(path, mode))
}

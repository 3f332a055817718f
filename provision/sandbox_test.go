package provision_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/remote"
)

// sandboxPort is where the sandboxes' sshd listen, each on a loopback address.
const sandboxPort = 22022

// sandbox is a copy of this machine that a real sshd answers for: an overlay
// over / in mount and process namespaces of its own, with an empty /srv.
type sandbox struct {
	address netip.Addr
	cmd     *exec.Cmd
	log     *os.File
}

const sandboxScript = `set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
r=$1/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$r"
mount -t proc proc "$r/proc"
mount --rbind /dev "$r/dev"
mount -t tmpfs tmpfs "$r/srv"
mount -t tmpfs tmpfs "$r/run"
mount -t tmpfs tmpfs "$r/root" # without the shell start-up files of whoever runs this
rm -f "$r"/etc/ssh/ssh_host_* "$r"/etc/ssh/sshd_config.d/*
mkdir -p "$r/run/sshd" "$r/root/.ssh"
cp "$2/hostkey" "$r/etc/ssh/ssh_host_ed25519_key"
cp "$2/authorized" "$r/root/.ssh/authorized_keys"
chmod 700 "$r/root" "$r/root/.ssh"
cat >"$r/etc/ssh/sshd_config" <<END
ListenAddress $3
Port $4
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin yes
AuthorizedKeysFile /root/.ssh/authorized_keys
StrictModes no
UsePAM no
PidFile /run/sshd.pid
END
rm -f "$r/usr/bin/systemctl"
cat >"$r/usr/bin/systemctl" <<'END'
#!/bin/sh
case "$1 $2" in "reload ssh") kill -HUP "$(cat /run/sshd.pid)" ;; *) exit 1 ;; esac
END
chmod 755 "$r/usr/bin/systemctl"
exec chroot "$r" /usr/sbin/sshd -D -e
`

// needSandbox skips where a sandbox cannot run; CI must be able to.
func needSandbox(t *testing.T) {
	t.Helper()
	var missing []string
	if os.Getuid() != 0 {
		missing = append(missing, "root")
	}
	for _, program := range []string{"/usr/sbin/sshd", "unshare", "ssh-keygen", "ssh-keyscan"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) == 0 {
		return
	}
	require.NotEqual(t, "true", os.Getenv("CI"), "missing: %v", missing)
	t.Skipf("a sandbox needs %s", strings.Join(missing, ", "))
}

// startSandbox starts one; hostKey is a private key in PEM.
func startSandbox(dir string, address netip.Addr, hostKey, authorized string) (*sandbox, error) {
	for name, text := range map[string]string{"hostkey": hostKey, "authorized": authorized} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	mount := filepath.Join(dir, "mount")
	if err := os.Mkdir(mount, 0o700); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
		"sh", "-c", sandboxScript, "sandbox", mount, dir, address.String(), fmt.Sprint(sandboxPort))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // also when the tests are killed
	return &sandbox{address, cmd, log}, cmd.Start()
}

func (s *sandbox) stop() {
	_ = s.cmd.Process.Kill() // its process namespace ends with it
	_ = s.cmd.Wait()
	_ = s.log.Close()
}

// identity is a key pair in a folder: the operator's.
func identity(t *testing.T) (file, authorized string) {
	t.Helper()
	private, public := newKey(t)
	file = filepath.Join(t.TempDir(), "id_ed25519")
	require.NoError(t, os.WriteFile(file, []byte(private), 0o600))
	return file, public
}

func newKey(t *testing.T) (private, public string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(key, "")
	require.NoError(t, err)
	line, err := ssh.NewPublicKey(pub)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line)))
}

// sshHosts reaches sandboxes: sources by a fixed address and key, targets as the
// directory says.
type sshHosts struct {
	identity  string
	directory *provision.Directory

	mu      sync.Mutex
	sources map[string]remote.Host
	targets map[string]remote.Host
}

func newHosts(t *testing.T, identity string, d *provision.Directory) *sshHosts {
	h := &sshHosts{identity: identity, directory: d, sources: map[string]remote.Host{}, targets: map[string]remote.Host{}}
	t.Cleanup(func() {
		for _, all := range []map[string]remote.Host{h.sources, h.targets} {
			for _, host := range all {
				_ = host.Close() // the sandbox may be gone
			}
		}
	})
	return h
}

func (h *sshHosts) Source(name string) remote.Host { return h.sources[name] }

func (h *sshHosts) Target(name string) remote.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.targets[name] == nil {
		h.targets[name] = remote.NewSSH(remote.SSHConfig{
			Name: name, Address: h.directory.Address(name), Port: sandboxPort,
			IdentityFile: h.identity, KnownHosts: []string{h.directory.KnownHosts()}, ConnectTimeout: 3 * time.Second,
		})
	}
	return h.targets[name]
}

// addSource starts a sandbox as the source host of that name.
func (h *sshHosts) addSource(t *testing.T, name, authorized string, address netip.Addr) remote.Host {
	t.Helper()
	private, public := newKey(t)
	s, err := startSandbox(t.TempDir(), address, private, authorized)
	require.NoError(t, err)
	t.Cleanup(s.stop)
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
	require.NoError(t, err)
	h.sources[name] = remote.NewSSH(remote.SSHConfig{
		Name: name, Address: func(context.Context) (string, error) { return address.String(), nil }, Port: sandboxPort,
		IdentityFile: h.identity, HostKey: ssh.FixedHostKey(key), ConnectTimeout: 3 * time.Second,
	})
	waitFor(t, h.sources[name])
	return h.sources[name]
}

func waitFor(t *testing.T, host remote.Host) {
	t.Helper()
	require.Eventually(t, func() bool { return host.Run(t.Context(), "true", nil, nil) == nil }, 20*time.Second, 50*time.Millisecond)
}

// sh runs a script and returns its output.
func sh(t *testing.T, host remote.Host, script string) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, host.Run(t.Context(), script, nil, &out))
	return out.String()
}

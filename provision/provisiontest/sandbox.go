package provisiontest

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// SandboxPort is the port of each sandbox's sshd; its loopback address is its own.
const SandboxPort = 22022

// Sandbox is a host with a real sshd: an overlay over / of the host that runs the
// tests, in mount and process namespaces of its own, with an empty /srv.
type Sandbox struct {
	cmd *exec.Cmd
	log *os.File
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

// RequireSandbox skips the test if a sandbox cannot run here, and names what is
// missing. On CI it fails the test instead.
func RequireSandbox(t testing.TB) {
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

// StartSandbox starts a sandbox that keeps its files in dir. hostKey is a private key
// in PEM, authorized the content of root's authorized_keys. sshd may not listen yet
// when StartSandbox returns: see WaitFor.
func StartSandbox(dir string, address netip.Addr, hostKey, authorized string) (*Sandbox, error) {
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
		"sh", "-c", sandboxScript, "sandbox", mount, dir, address.String(), fmt.Sprint(SandboxPort))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // also when the tests are killed
	return &Sandbox{cmd, log}, cmd.Start()
}

// Stop kills the sandbox with all of its processes.
func (s *Sandbox) Stop() {
	_ = s.cmd.Process.Kill() // its process namespace ends with it
	_ = s.cmd.Wait()
	_ = s.log.Close()
}

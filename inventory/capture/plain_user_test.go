package capture

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// plainUserHost runs scripts as the user nobody.
type plainUserHost struct{ remote.Host }

func (p plainUserHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return p.Host.Run(ctx, "exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c "+remote.Quote(script), stdin, stdout)
}

// A plain user captures what it may read. The rest is listed as missing.
func TestCaptureAsPlainUser(t *testing.T) {
	_, err := exec.LookPath("setpriv")
	remotetest.Need(t, err == nil && os.Geteuid() == 0, "root and setpriv, to become somebody else")
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "open"), []byte("a"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "closed"), []byte("b"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "private"), 0o700))
	h := captureOne(t, Target{Host: plainUserHost{remote.NewLocal("web1")}, Files: []string{dir}, onlySections: append([]string{
		"tree", "tree-sums", "passwords", "processes", "process-status",
	}, basicSections...)})
	require.NotEqual(t, "root", h.As)
	require.NotEmpty(t, h.Packages)
	missing := fmt.Sprint(h.Missing)
	require.Contains(t, missing, dir+"/closed")
	require.Contains(t, missing, "/private")
	require.Contains(t, missing, "/etc/ssl/private")
	require.Equal(t, inventory.Denied, missingReasons(h)["sums"])
	require.Equal(t, inventory.Denied, missingReasons(h)["passwords"])
	open := find(h.Files, func(f inventory.File) bool { return f.Path == inventory.Text(dir+"/open") })
	require.Len(t, open.SHA256, 64)
	closed := find(h.Files, func(f inventory.File) bool { return f.Path == inventory.Text(dir+"/closed") })
	require.Empty(t, closed.SHA256+closed.HMAC)
}

// Over a real sshd, a login that cannot become root captures what it may read, and
// the missing root is listed.
func TestCaptureWithoutSudo(t *testing.T) {
	cfg := remotetest.StartSSHD(t).Config("guest1")
	cfg.User = remotetest.Guest // sudo would ask for a password
	host := remote.NewSSH(cfg)
	defer host.Close()
	h := captureOne(t, Target{Host: host, Files: []string{"/etc/hosts", "/etc/shadow"}, onlySections: append([]string{"passwords", "tree", "redis", "accounts"}, basicSections...)})
	require.Equal(t, remotetest.Guest, h.As)
	require.Equal(t, inventory.Denied, missingReasons(h)["redis"], "other users' programs are hidden")
	require.Equal(t, inventory.Denied, missingReasons(h)["/root/.ssh/authorized_keys"])
	require.NotEmpty(t, h.Packages)
	require.Contains(t, h.Missing, inventory.Missing{What: "root", Reason: inventory.Denied, Detail: "sudo -n does not work here: what only root may see is missing"})
	require.Equal(t, inventory.Denied, missingReasons(h)["passwords"])
	require.Len(t, find(h.Files, func(f inventory.File) bool { return f.Path == "/etc/hosts" }).SHA256, 64)
}

package capture

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// treeCache is the lab's folder of Debian trees.
const treeCache = "/var/cache/migrate-lab"

// debianHost is a whole Debian system. Commands run in its root folder, in
// namespaces of their own for processes, mounts and network.
type debianHost struct {
	*remote.Local
	root  string
	count atomic.Int64
}

// Run implements remote.Host.
func (r *debianHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	name := fmt.Sprintf("/tmp/script-%d", r.count.Add(1))
	if err := os.WriteFile(r.root+name, []byte(script), 0o600); err != nil {
		return err
	}
	defer os.Remove(r.root + name)
	return r.Local.Run(ctx, fmt.Sprintf("exec unshare --mount --pid --net --fork --kill-child --mount-proc=%[1]s/proc chroot %[1]s /bin/sh %[2]s", r.root, name), stdin, stdout)
}

// write writes a file of the host and creates the folders above it.
func (r *debianHost) write(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(r.root+name), 0o755))
	require.NoError(t, os.WriteFile(r.root+name, []byte(text), mode))
	require.NoError(t, os.Chmod(r.root+name, mode))
}

// newDebianHost returns a host of a Debian release. Changes go to an overlay that
// the test removes. For bookworm the lab's tree is used if there is one; another
// release is bootstrapped once and kept.
func newDebianHost(t testing.TB, release string) *debianHost {
	t.Helper()
	remotetest.Need(t, os.Geteuid() == 0, "root, to mount a Debian tree")
	for _, tool := range []string{"unshare", "chroot", "mount"} {
		_, err := exec.LookPath(tool)
		remotetest.Need(t, err == nil, tool)
	}
	lower := labTree(t)
	if release != "bookworm" {
		lower = bootstrap(t, release)
	}
	dir := t.TempDir()
	r := &debianHost{Local: remote.NewLocal("web1"), root: filepath.Join(dir, "root")}
	for _, sub := range []string{"root", "upper", "work"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, filepath.Join(dir, "upper"), filepath.Join(dir, "work"))
	out, err := exec.Command("mount", "-t", "overlay", "overlay", "-o", options, r.root).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Cleanup(func() {
		out, err := exec.Command("umount", "-l", r.root).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return r
}

// labTree returns the layers of the lab's old hosts in the form of overlay's
// lowerdir.
func labTree(t testing.TB) string {
	trees, err := filepath.Glob(treeCache + "/tree-*/site")
	require.NoError(t, err)
	if len(trees) == 0 {
		return bootstrap(t, "bookworm")
	}
	return trees[0] + ":" + filepath.Join(filepath.Dir(trees[0]), "core")
}

// bootstrap returns the tree of a small Debian release without systemd. It is made
// once and kept.
func bootstrap(t testing.TB, release string) string {
	dir := filepath.Join(treeCache, "inventory-"+release)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	_, err := exec.LookPath("debootstrap")
	remotetest.Need(t, err == nil, "the Debian package debootstrap")
	require.NoError(t, os.MkdirAll(treeCache, 0o755))
	temporary, err := os.MkdirTemp(treeCache, "inventory-*.tmp")
	require.NoError(t, err)
	defer os.RemoveAll(temporary)
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"debootstrap", "--variant=minbase", "--include=iproute2", release, temporary, mirror(t))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", lastLine(string(out)))
	require.NoError(t, os.Chmod(temporary, 0o755))
	if err := os.Rename(temporary, dir); err != nil && !os.IsExist(err) {
		require.DirExists(t, dir, "another test was faster")
	}
	return dir
}

// mirror returns the archive that this host's own packages come from.
func mirror(t testing.TB) string {
	out, err := exec.Command("sh", "-c", "apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep debian.org | grep -v security | head -n 1").Output()
	require.NoError(t, err)
	if site := strings.TrimSpace(string(out)); site != "" {
		return site
	}
	return "http://deb.debian.org/debian"
}

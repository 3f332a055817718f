package capture

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
)

// The mounted file systems of containers show the space of the host's disk. They are
// no disks of their own.
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

// rewritingHost changes each script before the host runs it.
type rewritingHost struct {
	remote.Host
	rewrite func(string) string
}

func (o rewritingHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return o.Host.Run(ctx, o.rewrite(script), stdin, stdout)
}

// Network file systems are listed and never walked: one that hangs would stop the
// capture.
func TestCaptureNeverWalksTheNetwork(t *testing.T) {
	dir := t.TempDir()
	share := filepath.Join(dir, "up loads")
	require.NoError(t, os.MkdirAll(filepath.Join(share, "app", ".git"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(share, "app", ".git", "HEAD"), []byte(strings.Repeat("c", 40)), 0o644))
	mounts := filepath.Join(dir, "mounts")
	require.NoError(t, os.WriteFile(mounts, fmt.Appendf(nil, "/dev/vda / ext4 rw 0 0\n10.0.0.9:/export %s nfs4 rw 0 0\n", strings.ReplaceAll(share, " ", `\040`)), 0o644))
	host := rewritingHost{remote.NewLocal("web1"), func(s string) string { return strings.ReplaceAll(s, "/proc/self/mounts", mounts) }}
	h := captureOne(t, Target{Host: host, Roots: []string{share}, Files: []string{share + "/app", mounts}, onlySections: append([]string{"mounts", "releases"}, basicSections...)})
	require.Equal(t, inventory.Skipped, missingReasons(h)[share+"/app"])
	require.Len(t, h.Files, 1, "only the one that is local")
	require.Nil(t, find(h.Releases, func(r inventory.Release) bool { return strings.HasPrefix(string(r.Path), share) }))
	require.NotNil(t, find(h.Disks, func(d inventory.Disk) bool { return d.Mount == share && d.FS == "nfs4" && d.Size == 0 }))
}

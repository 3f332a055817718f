package seed

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// smallDisk mounts a small file system in memory. Servers that are started afterwards have
// their files there.
func smallDisk(t *testing.T, size string) string {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI must be able to mount: %v", err)
		}
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	t.Setenv("TMPDIR", dir)
	return dir
}

// fill leaves only so many bytes of a disk free, until its result is called.
func fill(t *testing.T, dir string, left int64) (empty func()) {
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()                     //nolint:errcheck // nothing is written through it
	require.Eventually(t, func() bool { // a server may be writing
		var st syscall.Statfs_t
		require.NoError(t, syscall.Statfs(dir, &st))
		size := int64(st.Bavail)*st.Bsize - left
		return size <= 0 || syscall.Fallocate(int(f.Fd()), 0, 0, size) == nil
	}, 10*time.Second, time.Millisecond)
	return func() { require.NoError(t, os.Remove(path)) }
}

// TestSeedNamesTheDiskThatIsFull fills the target's disk before the copy, which then is
// not begun, and in the middle of it. With room again the seed continues.
func TestSeedNamesTheDiskThatIsFull(t *testing.T) {
	for _, flavor := range servertest.Flavors() {
		t.Run(string(flavor), func(t *testing.T) {
			source := servertest.Start(t, flavor)
			dir := smallDisk(t, "1g")
			target := servertest.Start(t, flavor)
			pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil), Target: replicationtest.Server(t, target, replication.Target, remote.NewLocal("target"))}
			replicationtest.MakeLoadSchema(source)
			source.Exec("CREATE TABLE load1.fat (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(5000))", "INSERT INTO load1.fat (v) VALUES (REPEAT('x', 5000))")
			for range 13 { // 40 MB
				source.Exec("INSERT INTO load1.fat (v) SELECT v FROM load1.fat")
			}
			source.Exec("ANALYZE TABLE load1.fat")

			empty := fill(t, dir, 100<<20)
			err := Step(pair).Op.Apply(t.Context())
			require.ErrorContains(t, err, "cannot hold the copy (H29)")
			require.ErrorContains(t, err, dir)
			require.NotEmpty(t, report.Hint(err))
			require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ('load1', 'migrate')"), "nothing was begun")
			empty()

			done := make(chan error, 1)
			go func() { done <- StepWith(pair, Options{BytesPerSecond: 8 << 20}).Op.Apply(t.Context()) }()
			require.Eventually(t, func() bool {
				state, _, err := control.Running(t.Context(), pair)
				return err == nil && state.Progress.Rows > 100
			}, 30*time.Second, 10*time.Millisecond)
			empty = fill(t, dir, 4<<20)
			err = <-done
			require.ErrorContains(t, err, "the disk of main (target) is full: ")
			require.ErrorContains(t, err, dir)
			require.Contains(t, report.Hint(err), "make room there")
			var transient *report.TransientError
			require.NotErrorAs(t, err, &transient, "to try again at once is no use")
			empty()
			require.NoError(t, Step(pair).Op.Apply(t.Context()), "it goes on")
			require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
		})
	}
}

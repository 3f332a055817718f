package capture

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/show"
	"github.com/dcmigrate/migrate/remote"
)

// limitedPathHost runs scripts with a PATH of one folder: they find only its programs.
type limitedPathHost struct {
	remote.Host
	dir string
}

func (n limitedPathHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return n.Host.Run(ctx, strings.Replace(script, "\nPATH=", "\nPATH="+n.dir+" #", 1), stdin, stdout)
}

func linkTools(t *testing.T, names ...string) string {
	dir := t.TempDir()
	for _, name := range names {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(dir, name)))
	}
	return dir
}

// addTool writes a program of the test to dir. It never writes through a link to a
// program of this host.
func addTool(t *testing.T, dir, name, script string) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	require.NoError(t, err)
	_, err = f.WriteString("#!/bin/sh\n" + script + "\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

var coreTools = []string{"sh", "cat", "mktemp", "rm", "timeout", "wc", "tail", "head", "uname", "getconf", "sed"}

func TestCaptureMissingTools(t *testing.T) {
	host := limitedPathHost{remote.NewLocal("old1"), linkTools(t, coreTools...)}
	h := captureOne(t, Target{Host: host, Files: []string{"/etc/passwd"}, MySQL: &MySQLTarget{Socket: "/nowhere/mysqld.sock"}})
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
	dir := linkTools(t, append(coreTools, "sleep")...)
	addTool(t, dir, "ss", "sleep 300 & echo $! >"+dir+"/pid; wait")
	short := shortLimitHost{limitedPathHost{remote.NewLocal("old1"), dir}}
	begin := time.Now()
	h := captureOne(t, Target{Host: short, onlySections: basicSections})
	require.Less(t, time.Since(begin), 30*time.Second)
	require.Contains(t, h.Missing, inventory.Missing{What: "listeners", Reason: inventory.TimedOut, Detail: "it took too long"})
	require.NotEmpty(t, h.OS.ID)
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return hasEnded(strings.TrimSpace(string(pid))) }, 5*time.Second, 10*time.Millisecond, "what hung still runs")
}

// shortLimitHost shortens a section's limit of 30 seconds to 1.
type shortLimitHost struct{ remote.Host }

var limitOfThirty = regexp.MustCompile(`(?m)^run (\S+) 30 '`)

func (s shortLimitHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return s.Host.Run(ctx, limitOfThirty.ReplaceAllString(script, "run $1 1 '"), stdin, stdout)
}

// A host without a writable folder fails with that reason. A host whose first folders
// are full or read-only is captured with the next one.
func TestCaptureWithoutSpace(t *testing.T) {
	for _, c := range []struct{ name, writable, err string }{
		{"no folder", "nowhere", "neither /dev/shm, /run, /tmp nor /var/tmp can be written to"},
		{"the third folder", "/tmp/*", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			withoutMktemp := slices.DeleteFunc(slices.Clone(coreTools), func(tool string) bool { return tool == "mktemp" })
			dir := linkTools(t, append(withoutMktemp, "df", "dpkg-query")...)
			mktemp, err := exec.LookPath("mktemp")
			require.NoError(t, err)
			addTool(t, dir, "mktemp", "case $2 in "+c.writable+") exec "+mktemp+" \"$@\" ;; esac\necho 'No space left on device' >&2; exit 1")
			results := Hosts(t.Context(), []Target{{Host: limitedPathHost{remote.NewLocal("full1"), dir}, onlySections: basicSections}}, testOptions())
			if c.err != "" {
				require.ErrorContains(t, results[0].Err, c.err)
				return
			}
			require.NoError(t, results[0].Err)
			require.NotEmpty(t, results[0].Host.Packages)
		})
	}
}

package machine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dcmigrate/migrate/report"
)

// tailLines is how much of a failed command's output an error shows.
const tailLines = 12

// run runs a command to its end and returns its standard output. When ctx ends
// the command and its children are killed. An error carries the last lines of
// what the command printed.
func run(ctx context.Context, stdin string, name string, args ...string) (string, error) {
	cmd := command(ctx, name, args...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	var stdout bytes.Buffer
	var all lockedBuffer
	cmd.Stdout = io.MultiWriter(&stdout, &all)
	cmd.Stderr = &all
	// See command: the thread that starts the child must outlive it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return stdout.String(), fmt.Errorf("run %s: %w%s", label(name, args), err, tail(all.String()))
	}
	return stdout.String(), nil
}

// command is exec.CommandContext with a process group of its own, so that
// cancelling reaches the children too, and with a fixed environment. The child
// dies with the lab: the kernel kills it when the thread that started it ends,
// so the caller locks its goroutine to the thread until the child has ended.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
	}
	return cmd
}

// lockedBuffer takes both outputs of a command, which arrive on two goroutines.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// label names a command by its first words: enough to find it, short enough for
// one line.
func label(name string, args []string) string {
	const most = 6
	words := append([]string{name}, args...)
	if len(words) > most {
		words = append(words[:most:most], "…")
	}
	return strings.ReplaceAll(strings.Join(words, " "), "\n", " ")
}

// tail returns the last lines of a command's output, ready to follow an error.
func tail(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return ": " + strings.Join(lines, "\n")
}

// tools are the programs that the package runs, by the Debian package that has them.
var tools = map[string]string{
	"debootstrap":    "debootstrap",
	"systemd-nspawn": "systemd-container",
	"ip":             "iproute2",
	"nft":            "nftables",
	"unshare":        "util-linux",
	"nsenter":        "util-linux",
	"dpkg-deb":       "dpkg",
}

// Require reports, as one error with a hint, everything that this machine lacks
// to run lab hosts: root, programs, a cgroup hierarchy for systemd. It changes
// nothing.
func Require() error {
	var missing, packages []string
	if syscall.Geteuid() != 0 {
		return report.WithHint(fmt.Errorf("lab hosts need root, this is user %d", syscall.Geteuid()), "run it with sudo")
	}
	for _, tool := range sortedKeys(tools) {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
			packages = append(packages, tools[tool])
		}
	}
	if len(missing) > 0 {
		return report.WithHint(fmt.Errorf("lab hosts need %s", strings.Join(missing, ", ")),
			"apt-get install --no-install-recommends %s", strings.Join(uniq(packages), " "))
	}
	_, err := cgroupRoots()
	return err
}

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
)

// tailLines is how much of a failed command's output an error shows.
const tailLines = 12

// runCommand runs a command to its end and returns its standard output. When ctx
// ends it kills the command and its children. An error carries the last lines of
// the command's output.
func runCommand(ctx context.Context, stdin string, name string, args ...string) (string, error) {
	cmd := newCommand(ctx, name, args...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	var stdout bytes.Buffer
	var all lockedBuffer
	cmd.Stdout = io.MultiWriter(&stdout, &all)
	cmd.Stderr = &all
	// See newCommand: the thread that starts the child must outlive it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return stdout.String(), fmt.Errorf("run %s: %w%s", shortCommand(name, args), err, tail(all.String()))
	}
	return stdout.String(), nil
}

// newCommand is exec.CommandContext with a process group of its own, so that
// cancelling reaches the children too, and with a fixed environment. The child dies
// with the lab, because the kernel kills it when the thread that started it ends.
// The caller must therefore lock its goroutine to the thread until the child ends.
func newCommand(ctx context.Context, name string, args ...string) *exec.Cmd {
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

// lockedBuffer collects both outputs of a command, which arrive on two goroutines.
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

// shortCommand returns the first words of a command, for error messages.
func shortCommand(name string, args []string) string {
	const maxWords = 6
	words := append([]string{name}, args...)
	if len(words) > maxWords {
		words = append(words[:maxWords:maxWords], "…")
	}
	return strings.ReplaceAll(strings.Join(words, " "), "\n", " ")
}

// tail returns the last lines of a command's output, with a colon before them, to be
// appended to an error.
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

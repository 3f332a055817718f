package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dcmigrate/migrate/remote"
)

// grace is how long an interrupted migrate may take to come to a safe end.
const grace = 90 * time.Second

// memoryPoll is how often a running command's peak memory is read.
const memoryPoll = 5 * time.Millisecond

// execution is one command that was run.
type execution struct {
	line       string // what was typed
	start, end time.Time
	exit       int
	peak       int64 // resident memory, bytes
}

func (e execution) took() time.Duration { return e.end.Sub(e.start) }

// runner runs migrate as an operator at a terminal would: in the workspace, one
// command after another, what it prints in view.
type runner struct {
	program string
	dir     string
	env     []string
	out     io.Writer
	said    bytes.Buffer // all that was printed, for the search for secrets
}

// run runs one command line to its end. When ctx ends migrate gets the signal
// that Ctrl-C sends, and is waited for. A command that ends with another exit
// code than want is an error.
func (r *runner) run(ctx context.Context, want int, args ...string) (execution, error) {
	e := execution{line: "migrate " + shellWords(args)}
	_, _ = fmt.Fprintf(r.out, "\n$ %s\n", e.line)
	cmd := exec.CommandContext(ctx, r.program, args...)
	cmd.Dir, cmd.Env = r.dir, r.env
	cmd.Stdout = io.MultiWriter(r.out, &r.said)
	cmd.Stderr = cmd.Stdout
	// A group of its own: Ctrl-C at the terminal reaches migrate once, from here.
	// The signal for a demo that was killed is tied to the thread that starts it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = grace
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e.start = time.Now()
	if err := cmd.Start(); err != nil {
		return e, fmt.Errorf("run migrate: %w", err)
	}
	defer passOn(cmd.Process)()
	seen, stop := make(chan int64, 1), make(chan struct{})
	go func() { seen <- watchPeak(cmd.Process.Pid, stop) }()
	err := cmd.Wait()
	e.end = time.Now()
	close(stop)
	e.exit, e.peak = cmd.ProcessState.ExitCode(), peak(cmd.ProcessState, <-seen)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return e, fmt.Errorf("interrupted during %s, which ended with exit code %d", e.line, e.exit)
	case err != nil && !errors.As(err, &exit):
		return e, fmt.Errorf("run %s: %w", e.line, err)
	case e.exit != want:
		return e, fmt.Errorf("%s ended with exit code %d, %d was expected", e.line, e.exit, want)
	}
	return e, nil
}

// passOn gives a process the signals that this one gets after the first, which
// ends the context: the second Ctrl-C makes migrate stop at once. It returns
// what ends that.
func passOn(process *os.Process) (end func()) {
	signals, done := make(chan os.Signal, 3), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer close(done)
		<-signals
		for range signals {
			_ = process.Signal(os.Interrupt) // it may have ended
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}

// peak is a command's peak of resident memory in bytes. What wait4 says counts
// the memory of the process that started the command too (the kernel keeps it
// over exec), so it is only taken when it is more than that; else it is what
// was seen while the command ran.
func peak(state *os.ProcessState, seen int64) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return seen
	}
	if waited := usage.Maxrss << 10; waited > highWater("self") {
		return waited
	}
	return seen
}

// watchPeak reads a process's high-water mark until stop is closed.
func watchPeak(pid int, stop <-chan struct{}) int64 {
	tick := time.NewTicker(memoryPoll)
	defer tick.Stop()
	var most int64
	for {
		most = max(most, highWater(strconv.Itoa(pid)))
		select {
		case <-tick.C:
		case <-stop:
			return most
		}
	}
}

// highWater reads VmHWM of /proc/<process>/status, see proc(5); 0 when it is gone.
func highWater(process string) int64 {
	text, err := os.ReadFile("/proc/" + process + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// shellWords joins arguments as they are typed.
func shellWords(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		if a == "" || strings.ContainsAny(a, " '\"$*;&|<>(){}[]\\`!?#~\n\t") {
			words[i] = remote.Quote(a)
		}
	}
	return strings.Join(words, " ")
}

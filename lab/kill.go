package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/dcmigrate/migrate/plan"
)

// journalPoll is how often the loops look at the journal: a kill comes at most
// this much after the event's line.
const journalPoll = time.Millisecond

// KillLoop starts the command again and again; the process group of start i is
// killed with SIGKILL right when the journal has its i-th new line. It ends when a
// start ends by itself with success, and returns how many were killed. A start
// that ends with one of the codes in again is followed by another start; any
// other exit code is an error with the end of what the command printed, unless
// run has taken its outputs.
//
// Of n events about √2n see a kill: see KillEvery for all.
func KillLoop(ctx context.Context, run func(context.Context) *exec.Cmd, journal string, again ...int) (kills int, err error) {
	l := killLoop{run: run, journal: journal, again: again}
	return l.loop(ctx, func(start int, lines [][]byte) bool { return len(lines) >= start })
}

// KillEvery is KillLoop with a kill at every event: a start is killed at its
// first line whose step and event no start was killed at before.
func KillEvery(ctx context.Context, run func(context.Context) *exec.Cmd, journal string, again ...int) (kills int, err error) {
	l := killLoop{run: run, journal: journal, again: again}
	killed := map[string]bool{}
	return l.loop(ctx, func(_ int, lines [][]byte) bool {
		for _, line := range lines {
			if key := eventKey(line); !killed[key] {
				killed[key] = true
				return true
			}
		}
		return false
	})
}

// KillAt starts the command once and kills it as KillLoop does, at a time after
// its first journal event that at accepts. It reports whether that came to pass:
// the command may end first.
func KillAt(ctx context.Context, run func(context.Context) *exec.Cmd, journal string, at func(plan.Event) bool, after time.Duration) (bool, error) {
	l := killLoop{run: run, journal: journal}
	var due time.Time
	return l.start(ctx, func(lines [][]byte) bool {
		if due.IsZero() && slices.ContainsFunc(lines, func(line []byte) bool {
			var e plan.Event
			return json.Unmarshal(line, &e) == nil && at(e)
		}) {
			due = time.Now().Add(after)
		}
		return !due.IsZero() && !time.Now().Before(due)
	})
}

// eventKey names an event apart from when and how often it comes.
func eventKey(line []byte) string {
	var e plan.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return string(line)
	}
	return e.Kind + " " + e.Step.String() + " " + string(e.Type)
}

type killLoop struct {
	run     func(context.Context) *exec.Cmd
	journal string
	again   []int
}

// loop starts the command until it succeeds. due says from the lines that a
// start has written so far whether it is time to kill.
func (l *killLoop) loop(ctx context.Context, due func(start int, lines [][]byte) bool) (kills int, err error) {
	for start := kills + 1; ; start = kills + 1 {
		killed, err := l.start(ctx, func(lines [][]byte) bool { return due(start, lines) })
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return kills, fmt.Errorf("kill loop: %w", context.Cause(ctx))
		case killed:
			kills++
		case err == nil:
			return kills, nil
		case errors.As(err, &exit) && slices.Contains(l.again, exit.ExitCode()):
		default:
			return kills, fmt.Errorf("start after %d kills: %w", kills, err)
		}
	}
}

// start runs the command once, to its own end or to the kill.
func (l *killLoop) start(ctx context.Context, due func([][]byte) bool) (killed bool, err error) {
	from, err := wholeSize(l.journal)
	if err != nil {
		return false, err
	}
	cmd := l.run(ctx)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	var said bytes.Buffer
	if cmd.Stdout == nil && cmd.Stderr == nil {
		cmd.Stdout, cmd.Stderr = &said, &said
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start command: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(journalPoll)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return false, withOutput(err, said.Bytes())
		case <-ctx.Done():
		case <-tick.C:
			lines, err := linesFrom(l.journal, from)
			if err == nil && !due(lines) {
				continue
			}
			if err != nil {
				return false, errors.Join(err, kill(cmd), <-ended)
			}
		}
		if err := kill(cmd); err != nil {
			return false, err
		}
		err := <-ended
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return true, nil
		}
		return false, withOutput(err, said.Bytes()) // it ended by itself just before
	}
}

// kill ends the command's process group, as a power cut would.
func kill(cmd *exec.Cmd) error {
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill process group: %w", err)
	}
	return nil
}

func withOutput(err error, said []byte) error {
	if err == nil {
		return nil
	}
	const most = 2000
	return fmt.Errorf("%w: %s", err, bytes.TrimSpace(said[max(0, len(said)-most):]))
}

// wholeSize is where a file's last whole line ends: whoever opens a journal cuts
// off what a kill has torn. A file that is not there yet has none.
func wholeSize(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("read journal: %w", err)
	}
	return int64(bytes.LastIndexByte(data, '\n') + 1), nil
}

// linesFrom returns the whole lines of a file from an offset on.
func linesFrom(path string, from int64) ([][]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	end := bytes.LastIndexByte(data, '\n')
	if end < 0 {
		return nil, nil
	}
	return bytes.Split(data[:end], []byte("\n")), nil
}

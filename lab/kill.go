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

// journalPollInterval is how often the loops read the journal. A kill follows
// the event's line by at most this long.
const journalPollInterval = time.Millisecond

// KillEvery starts the command again and again, and kills it once at every event.
// A run's process group gets SIGKILL at the first new journal line whose step and
// event no earlier run was killed at. KillEvery ends when a run succeeds, and
// returns the number of runs that it killed.
//
// An exit code in retryCodes leads to another run. Any other exit code is an error
// with the end of the command's output, unless command sets Stdout or Stderr.
func KillEvery(ctx context.Context, command func(context.Context) *exec.Cmd, journal string, retryCodes ...int) (kills int, err error) {
	l := killLoop{command: command, journal: journal, retryCodes: retryCodes}
	killed := map[string]bool{}
	return l.runUntilDone(ctx, func(lines [][]byte) bool {
		for _, line := range lines {
			if key := eventKey(line); !killed[key] {
				killed[key] = true
				return true
			}
		}
		return false
	})
}

// KillAt starts the command once and sends SIGKILL to its process group, a while
// after the first journal event that matches. It returns false if the command
// ended before that.
func KillAt(ctx context.Context, command func(context.Context) *exec.Cmd, journal string, matches func(plan.Event) bool, after time.Duration) (bool, error) {
	l := killLoop{command: command, journal: journal}
	var due time.Time
	return l.runOnce(ctx, func(lines [][]byte) bool {
		if due.IsZero() && slices.ContainsFunc(lines, func(line []byte) bool {
			var e plan.Event
			return json.Unmarshal(line, &e) == nil && matches(e)
		}) {
			due = time.Now().Add(after)
		}
		return !due.IsZero() && !time.Now().Before(due)
	})
}

// eventKey identifies an event by kind, step and type, regardless of its time and
// of how often it occurs.
func eventKey(line []byte) string {
	var e plan.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return string(line)
	}
	return e.Kind + " " + e.Step.String() + " " + string(e.Type)
}

// killLoop runs a command that writes a journal, and kills it on demand.
type killLoop struct {
	command    func(context.Context) *exec.Cmd
	journal    string
	retryCodes []int
}

// runUntilDone runs the command until it succeeds. due decides from the lines that
// a run has written so far whether to kill it.
func (l *killLoop) runUntilDone(ctx context.Context, due func(lines [][]byte) bool) (kills int, err error) {
	for {
		killed, err := l.runOnce(ctx, due)
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return kills, fmt.Errorf("kill loop: %w", context.Cause(ctx))
		case killed:
			kills++
		case err == nil:
			return kills, nil
		case errors.As(err, &exit) && slices.Contains(l.retryCodes, exit.ExitCode()):
		default:
			return kills, fmt.Errorf("start after %d kills: %w", kills, err)
		}
	}
}

// runOnce runs the command once, until it ends or is killed.
func (l *killLoop) runOnce(ctx context.Context, due func([][]byte) bool) (killed bool, err error) {
	offset, err := wholeLinesSize(l.journal)
	if err != nil {
		return false, err
	}
	cmd := l.command(ctx)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	var output bytes.Buffer
	if cmd.Stdout == nil && cmd.Stderr == nil {
		cmd.Stdout, cmd.Stderr = &output, &output
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start command: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(journalPollInterval)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return false, withTail(err, output.Bytes())
		case <-ctx.Done():
		case <-tick.C:
			lines, err := wholeLinesFrom(l.journal, offset)
			if err == nil && !due(lines) {
				continue
			}
			if err != nil {
				return false, errors.Join(err, killGroup(cmd), <-ended)
			}
		}
		if err := killGroup(cmd); err != nil {
			return false, err
		}
		err := <-ended
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return true, nil
		}
		return false, withTail(err, output.Bytes()) // it ended by itself just before
	}
}

// killGroup ends the command's process group, as a power cut would.
func killGroup(cmd *exec.Cmd) error {
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill process group: %w", err)
	}
	return nil
}

// withTail adds the end of the command's output to an error.
func withTail(err error, output []byte) error {
	if err == nil {
		return nil
	}
	const tailBytes = 2000
	return fmt.Errorf("%w: %s", err, bytes.TrimSpace(output[max(0, len(output)-tailBytes):]))
}

// wholeLinesSize returns the offset behind a file's last whole line, 0 for a
// missing file. A torn line does not count: a kill leaves one, and migrate cuts it
// off when it opens the journal.
func wholeLinesSize(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("read journal: %w", err)
	}
	return int64(bytes.LastIndexByte(data, '\n') + 1), nil
}

// wholeLinesFrom returns the whole lines of a file that begin at or after offset.
func wholeLinesFrom(path string, offset int64) ([][]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
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

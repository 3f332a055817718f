package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

const (
	// scriptEnd follows every script. A script without it was cut off on its way.
	scriptEnd = "\n#migrate-end-of-script"
	// announcement precedes the shell's process id on standard error.
	announcement = "migrate-shell-started "
	// maxStderr is how many bytes of standard error an ExitError keeps.
	maxStderr = 4 << 10
	// statusCutOff is the exit status of a shell that did not get its whole script.
	statusCutOff = 255
)

// bootstrap returns the command line that reads a script of n bytes (scriptEnd
// included) from standard input and runs it. The rest of the input is left to the
// script. Command lines differ only in the length, so that no secret is in an
// argument list. dd reads byte by byte: a shell, or head, would read ahead from the
// pipe and consume the script's input. The command line holds no character that
// any login shell treats specially inside single quotes.
func bootstrap(n int) string {
	return `echo "` + announcement + `$$" >&2; ` +
		`migrate_script=$(dd ibs=1 obs=4096 count=` + strconv.Itoa(n) + ` 2>/dev/null); ` +
		`case $migrate_script in *"` + strings.TrimSpace(scriptEnd) + `") eval "$migrate_script";; ` +
		`*) echo "script was cut off on its way" >&2; exit ` + strconv.Itoa(statusCutOff) + `;; esac`
}

// feed writes script and then stdin to w, and closes w at the end of stdin. If
// reading stdin fails, feed returns the error and leaves w open: the command must
// not take a part of its input for the whole. If writing to w fails, the command has
// stopped reading, and feed returns nil.
func feed(w io.WriteCloser, script string, stdin io.Reader) error {
	if _, err := io.WriteString(w, script+scriptEnd); err != nil {
		return nil //nolint:nilerr // the command has stopped reading: its exit status says why
	}
	if stdin != nil {
		tracked := &trackedWriter{w: w}
		if _, err := io.Copy(tracked, stdin); err != nil && tracked.err == nil {
			return fmt.Errorf("read input of command: %w", err)
		}
	}
	_ = w.Close() // the command may be gone already
	return nil
}

// trackedWriter keeps the writer's error, to tell it from the reader's after io.Copy.
type trackedWriter struct {
	w   io.Writer
	err error
}

func (s *trackedWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

var errReturned = errors.New("run has returned")

// output passes writes on to w until it is stopped. The first failing write calls
// fail.
type output struct {
	mu      sync.Mutex
	w       io.Writer
	stopped bool
	fail    context.CancelCauseFunc
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return 0, errReturned
	}
	if o.w == nil {
		return len(p), nil
	}
	n, err := o.w.Write(p)
	if err != nil {
		o.stopped = true
		o.fail(fmt.Errorf("write output of command: %w", err))
	}
	return n, err
}

// stop waits for a write in progress and prevents all later ones.
func (o *output) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
}

// stderrTail collects standard error: the process ID that bootstrap announced, and
// the last maxStderr bytes after that.
type stderrTail struct {
	mu        sync.Mutex
	buf       []byte
	pid       int           // of the shell; set once, before announced is closed
	announced chan struct{} // closed when the shell has started
}

func newStderrTail() *stderrTail { return &stderrTail{announced: make(chan struct{})} }

func (t *stderrTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if t.pid == 0 {
		t.findStart()
	}
	if extra := len(t.buf) - maxStderr; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(p), nil
}

// findStart reads the announcement in buf, and removes it together with what login
// or sudo printed before it.
func (t *stderrTail) findStart() {
	at := bytes.Index(t.buf, []byte(announcement))
	if at < 0 {
		return
	}
	rest := t.buf[at+len(announcement):]
	end := bytes.IndexByte(rest, '\n')
	if end < 0 {
		return
	}
	if pid, err := strconv.Atoi(string(rest[:end])); err == nil {
		t.pid = pid
		close(t.announced)
		t.buf = append(t.buf[:0], rest[end+1:]...)
	}
}

// started reports whether the shell has started.
func (t *stderrTail) started() bool {
	select {
	case <-t.announced:
		return true
	default:
		return false
	}
}

func (t *stderrTail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

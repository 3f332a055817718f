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
	// scriptEnd follows every script; without it the script was cut off on its way.
	scriptEnd = "\n#migrate-end-of-script"
	// announcement precedes the shell's process id on standard error.
	announcement = "migrate-shell-started "
	// stderrTail is how much of standard error an ExitError keeps.
	stderrTail = 4 << 10
	// cutOff is the status of a shell that did not get its whole script.
	cutOff = 255
)

// bootstrap is the command line that reads a script of n bytes (scriptEnd
// included) from standard input and runs it, leaving the rest of the input to
// it. It is the same for every script but for the length, so that no secret is
// in an argument list. dd reads byte by byte because a shell, or head, that
// reads ahead from a pipe would eat the input of the script. It holds no
// character that any login shell treats specially inside single quotes.
func bootstrap(n int) string {
	return `echo "` + announcement + `$$" >&2; ` +
		`migrate_script=$(dd ibs=1 obs=4096 count=` + strconv.Itoa(n) + ` 2>/dev/null); ` +
		`case $migrate_script in *"` + strings.TrimSpace(scriptEnd) + `") eval "$migrate_script";; ` +
		`*) echo "script was cut off on its way" >&2; exit ` + strconv.Itoa(cutOff) + `;; esac`
}

// feed writes script and then stdin to w, and closes w when all was read. An
// error of stdin is returned, and w stays open: whoever reads must not take a
// part for the whole. An error of w only means that the command reads no more.
func feed(w io.WriteCloser, script string, stdin io.Reader) error {
	if _, err := io.WriteString(w, script+scriptEnd); err != nil {
		return nil //nolint:nilerr // the command reads no more: its own end says why
	}
	if stdin != nil {
		sink := &sink{w: w}
		if _, err := io.Copy(sink, stdin); err != nil && sink.err == nil {
			return fmt.Errorf("read input of command: %w", err)
		}
	}
	_ = w.Close() // the command may be gone already
	return nil
}

// sink remembers that the writer failed, to tell it from the reader.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

var errReturned = errors.New("run has returned")

// output passes writes on until it is stopped; a failing writer calls fail once.
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

// stop waits for a write in progress; there is none after it.
func (o *output) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
}

// tail collects standard error: the process id that bootstrap announced, and
// the last stderrTail bytes after that.
type tail struct {
	mu        sync.Mutex
	buf       []byte
	pid       int           // of the shell; set once, before announced is closed
	announced chan struct{} // closed when the shell has started
}

func newTail() *tail { return &tail{announced: make(chan struct{})} }

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if t.pid == 0 {
		t.findStart()
	}
	if extra := len(t.buf) - stderrTail; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(p), nil
}

// findStart takes the announcement, and what login or sudo said before it, out of buf.
func (t *tail) findStart() {
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
func (t *tail) started() bool {
	select {
	case <-t.announced:
		return true
	default:
		return false
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

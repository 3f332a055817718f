package plan

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// TransientError says that trying again is right: the Runner waits (at least
// After), Checks again, and Applies again if it is still needed. Every retry is
// a journal event with its reason.
type TransientError struct {
	Err   error
	After time.Duration // what the other side asked for (Retry-After); 0 lets the Runner choose
}

func (e *TransientError) Error() string { return e.Err.Error() }
func (e *TransientError) Unwrap() error { return e.Err }

// Transient wraps err as a TransientError; nil stays nil.
func Transient(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &TransientError{err, after}
}

// PermanentError says that trying again is wrong, also where the Runner insists
// (see Plan's critical section): something was decided.
type PermanentError struct{ Err error }

func (e *PermanentError) Error() string { return e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }

// Permanent wraps err as a PermanentError; nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{err}
}

// HintError carries the next command or the fix for the operator.
type HintError struct {
	Err  error
	Hint string
}

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

// WithHint adds a hint to err; nil stays nil.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &HintError{err, fmt.Sprintf(format, args...)}
}

// Hint returns the outermost hint of err, or "".
func Hint(err error) string {
	var h *HintError
	if errors.As(err, &h) {
		return h.Hint
	}
	return ""
}

// Progress is how far a step is. It is shown, not journaled.
type Progress struct {
	Done, Total int64  // Total 0: unknown
	Unit        string // "B", "rows", "droplets", …
	What        string // e.g. "main.posts"
}

// reporter is what a step's context carries.
type reporter interface {
	note(text string)
	progress(Progress)
}

type reporterKey struct{}

// notes is the reporter outside a Runner.
type notes func(string)

func (n notes) note(text string) { n(text) }
func (notes) progress(Progress)  {}

// WithNotes hands every Note that is made outside a Runner (while a plan is
// built or checked) to show: retries and throttles are visible there too.
func WithNotes(ctx context.Context, show func(text string)) context.Context {
	return context.WithValue(ctx, reporterKey{}, reporter(notes(show)))
}

// Note records something that the operator should see while a step runs: a
// retry, a skip, a throttle, a fallback, with its reason. It is a journal
// event. Outside a Runner it goes where WithNotes says. It is one line without
// control characters: what a server or a host has said in it drives no terminal.
func Note(ctx context.Context, format string, args ...any) {
	if r, ok := ctx.Value(reporterKey{}).(reporter); ok {
		r.note(oneLine(fmt.Sprintf(format, args...)))
	}
}

// oneLine joins a text's lines, and escapes what is not printable.
func oneLine(text string) string {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "; ")
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if unicode.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			out.WriteString(text[:size])
		} else {
			quoted := strconv.Quote(text[:size])
			out.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return out.String()
}

// Report shows progress of the running step. Outside a Runner it does nothing.
func Report(ctx context.Context, p Progress) {
	if r, ok := ctx.Value(reporterKey{}).(reporter); ok {
		r.progress(p)
	}
}

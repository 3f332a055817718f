package report

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Progress is how far a piece of work is. It is shown, not journaled.
type Progress struct {
	Done, Total int64  // Total 0: unknown
	Unit        string // "B", "rows", "droplets", …
	What        string // e.g. "main.posts"
}

// Reporter receives what work tells. A plan's runner is one for each step.
type Reporter interface {
	Note(text string)
	Progress(p Progress)
}

type reporterKey struct{}

// With returns a context whose notes and progress go to r.
func With(ctx context.Context, r Reporter) context.Context {
	return context.WithValue(ctx, reporterKey{}, r)
}

// notesOnly is a Reporter that drops progress.
type notesOnly func(string)

func (n notesOnly) Note(text string)  { n(text) }
func (notesOnly) Progress(_ Progress) {}

// WithNotes hands every Note that is made outside a plan's runner (while a plan
// is built or checked) to show: retries and throttles are visible there too.
func WithNotes(ctx context.Context, show func(text string)) context.Context {
	return With(ctx, notesOnly(show))
}

// Note tells what the operator should see while work runs: a retry, a skip, a
// throttle, a fallback, with its reason. In a plan's step it becomes a journal
// event; without a Reporter it is dropped. It is one line without control
// characters: text of a server or a host in it drives no terminal.
func Note(ctx context.Context, format string, args ...any) {
	if r, ok := ctx.Value(reporterKey{}).(Reporter); ok {
		r.Note(oneLine(fmt.Sprintf(format, args...)))
	}
}

// Show shows the progress of the running step; without a Reporter it does nothing.
func Show(ctx context.Context, p Progress) {
	if r, ok := ctx.Value(reporterKey{}).(Reporter); ok {
		r.Progress(p)
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

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// printJSON prints v as indented JSON.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printReview prints a plan: every step with before → after, hazards, and what
// cannot be undone.
func (a *app) printReview(r plan.Review) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of site %s: %d steps, %d changes, plan %.12s\n", r.Kind, r.Site, len(r.Steps), r.Changes(), r.Digest)
	stage := ""
	var takes time.Duration
	for _, s := range r.Steps {
		if s.Stage != stage {
			stage = s.Stage
			fmt.Fprintf(&b, "\n%s%s\n", stage, map[bool]string{true: "   (critical section: a failure here takes the section back)"}[s.Critical])
		}
		printStep(&b, s)
		if !s.Done {
			takes += s.Takes
		}
	}
	if takes > 0 {
		fmt.Fprintf(&b, "\nexpected: about %s\n", takes.Round(time.Second))
	}
	_, err := io.WriteString(a.out, b.String())
	return err
}

func printStep(b *strings.Builder, s plan.ReviewedStep) {
	mark := "+"
	switch {
	case s.Gate:
		mark = "?"
	case s.Done:
		mark = "="
	case s.Unknown:
		mark = "~"
	}
	fmt.Fprintf(b, "  %s %-24s %s\n", mark, s.Name, s.Summary)
	if !s.Gate || s.Now != "" {
		state := s.Now
		if !s.Done && s.Want != "" {
			state += " → " + s.Want
		}
		if state != "" {
			fmt.Fprintf(b, "    %-24s %s\n", "", state)
		}
	}
	for _, h := range s.Hazards {
		fmt.Fprintf(b, "    ! %s\n", strings.TrimSpace(h.ID+" "+h.Text))
	}
	if s.CannotUndo != "" {
		fmt.Fprintf(b, "    ! cannot be undone: %s\n", s.CannotUndo)
	}
}

const reviewLegend = "+ changes   = done already   ~ known later   ? gate: waits, changes nothing   ! read this"

// watcher prints the journal's events as they come: one line when a step ends,
// every note and retry, and the progress of long steps.
type watcher struct {
	out   io.Writer
	json  bool
	tty   bool
	mu    sync.Mutex
	last  map[plan.Key]time.Time // of the last progress line of a step
	start map[plan.Key]time.Time // of a step's first progress
	first map[plan.Key]int64     // what was done at a step's first progress
	live  bool                   // the terminal's last line is a progress line
	begun map[plan.Key]time.Time // when a step was started
}

func (a *app) watcher() *watcher {
	w := &watcher{out: a.out, json: a.json, last: map[plan.Key]time.Time{}, start: map[plan.Key]time.Time{}, first: map[plan.Key]int64{}, begun: map[plan.Key]time.Time{}}
	w.tty = a.isTerminal()
	return w
}

// isTerminal reports whether the output goes to a terminal.
func (a *app) isTerminal() bool {
	f, ok := a.out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// shownName is a step's name without its verb: stage/step.
func shownName(key plan.Key) string {
	if key.Stage == "" {
		return key.Step
	}
	return key.Stage + "/" + key.Step
}

// event prints one event: it is a reader of the journal.
func (w *watcher) event(e plan.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.json {
		if e.Type != plan.StepProgress {
			_ = json.NewEncoder(w.out).Encode(e)
		}
		return
	}
	name := shownName(e.Step)
	took := time.Duration(e.Millis) * time.Millisecond
	switch e.Type {
	case plan.RunStarted:
		w.line("%s started, plan %.12s", e.Kind, e.Digest)
	case plan.RunResumed:
		w.line("%s goes on where it was interrupted, plan %.12s", e.Kind, e.Digest)
	case plan.RunFinished:
		w.line("%s finished in %s", e.Kind, round(took))
	case plan.RunFailed, plan.RunStopped:
		// the error is printed at the end of the verb
	case plan.StepStarted:
		w.begun[e.Step] = e.Time
	case plan.StepVerified:
		if b, ok := w.begun[e.Step]; ok {
			took = e.Time.Sub(b)
		}
		w.line("  ok      %-36s %6s", name, round(took))
	case plan.StepSkipped:
		w.line("  skip    %-36s %s", name, e.Text)
	case plan.StepRetry, plan.StepNote:
		w.line("  %-7s %-36s %s", e.Type, name, e.Text)
	case plan.StepFailed:
		w.line("  FAILED  %-36s", name)
	case plan.StepUndone:
		w.line("  undone  %-36s %6s", name, round(took))
	case plan.StepProgress:
		w.progress(e, name)
	}
}

func (w *watcher) line(format string, args ...any) {
	if w.live {
		_, _ = fmt.Fprint(w.out, "\r\x1b[K")
		w.live = false
	}
	_, _ = fmt.Fprintln(w.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// progress prints at most ten updates a second on a terminal, and elsewhere a line
// every fifteen seconds.
func (w *watcher) progress(e plan.Event, name string) {
	if w.start[e.Step].IsZero() {
		w.start[e.Step], w.last[e.Step], w.first[e.Step] = e.Time, e.Time, e.Progress.Done
	}
	every := 15 * time.Second
	if w.tty {
		every = 100 * time.Millisecond
	}
	if e.Time.Sub(w.last[e.Step]) < every {
		return
	}
	w.last[e.Step] = e.Time
	text := fmt.Sprintf("  ...     %-36s %s", name, describe(*e.Progress, w.first[e.Step], e.Time.Sub(w.start[e.Step])))
	if !w.tty {
		w.line("%s", text)
		return
	}
	_, _ = fmt.Fprintf(w.out, "\r\x1b[K%.*s", 110, text)
	w.live = true
}

// describe is done, total, rate and the time left. first is what was done when
// elapsed began.
func describe(p report.Progress, first int64, elapsed time.Duration) string {
	text := amount(p.Done, p.Unit)
	if p.Total > 0 {
		if p.Unit != "B" {
			text = amount(p.Done, "") // the unit follows the total
		}
		text = fmt.Sprintf("%s of %s (%d%%)", text, amount(p.Total, p.Unit), 100*p.Done/p.Total)
	}
	if s := elapsed.Seconds(); s >= 1 && p.Done > first && (p.Unit == "B" || p.Unit == "rows") {
		rate := float64(p.Done-first) / s
		text += fmt.Sprintf(", %s/s", amount(int64(rate), p.Unit))
		if p.Total > p.Done && rate > 0 {
			text += fmt.Sprintf(", %s left", round(time.Duration(float64(p.Total-p.Done)/rate*float64(time.Second))))
		}
	}
	return strings.TrimSpace(text + "  " + p.What)
}

func amount(n int64, unit string) string {
	if unit != "B" {
		return strings.TrimSpace(fmt.Sprintf("%d %s", n, unit))
	}
	return phrase.Bytes(n)
}

func round(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}

package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/report"
)

const (
	followEvery = time.Second
	// followTries is how often a host that does not answer is asked again.
	followTries = 5
)

// workerEvent is a line that a worker writes for whoever follows it. How far it
// is stands on the target; see seedControl.
type workerEvent struct {
	Note string     `json:"note,omitempty"`
	End  *workerEnd `json:"end,omitempty"`
}

// workerEnd is how a worker has ended; without an error it has done its work.
type workerEnd struct {
	Error     string        `json:"error,omitempty"`
	Hint      string        `json:"hint,omitempty"`
	Transient bool          `json:"transient,omitempty"`
	After     time.Duration `json:"after,omitempty"`
}

func newWorkerEnd(err error) *workerEnd {
	if err == nil {
		return &workerEnd{}
	}
	end := &workerEnd{Error: err.Error(), Hint: report.Hint(err)}
	var transient *report.TransientError
	if errors.As(err, &transient) {
		end.Transient, end.After = true, transient.After
	}
	return end
}

// err is the worker's error as the controller returns it.
func (e *workerEnd) err() error {
	if e.Error == "" {
		return nil
	}
	err := errors.New(e.Error)
	if e.Transient {
		err = report.Transient(err, e.After)
	}
	if e.Hint != "" {
		err = report.WithHint(err, "%s", e.Hint)
	}
	return err
}

// follower reads what a worker says. What it has passed on is noted next to it,
// so that a controller that comes back says nothing twice, and misses nothing.
type follower struct {
	*seedOnTarget
	offset int // -1: what the host has noted
	begun  bool
}

// sight is what was seen of a worker in one look.
type sight struct {
	alive bool
	end   *workerEnd
	last  string // line of its standard error
}

// look passes on what is new. The unit is asked before its words are read: of
// one that has ended, all is there.
func (f *follower) look(ctx context.Context) (sight, error) {
	from := `"$(cat "$run/seen" 2>/dev/null || echo 0)"`
	if f.begun {
		from = strconv.Itoa(f.offset)
	}
	out, err := f.run(ctx, `
from=`+from+`
if active; then state=alive; else state=gone; fi
if [ -d "$run" ]; then echo "$from" >"$run/seen.new" && mv -f "$run/seen.new" "$run/seen"; fi
echo "$state $from"
tail -n 1 "$run/stderr" 2>/dev/null | head -c 1000 | tr '\n' ' '
echo
tail -c +$((from + 1)) "$run/events" 2>/dev/null; echo .`, nil)
	if err != nil {
		return sight{}, fmt.Errorf("follow the worker %s: %w", f.unit(), err)
	}
	head, rest, _ := strings.Cut(strings.TrimSuffix(out, "."), "\n")
	state, at, _ := strings.Cut(head, " ")
	if f.offset, err = strconv.Atoi(at); err != nil {
		return sight{}, fmt.Errorf("follow the worker %s: unexpected answer %q", f.unit(), head)
	}
	f.begun = true
	last, events, _ := strings.Cut(rest, "\n")
	s := sight{alive: state == "alive", last: strings.TrimSpace(last)}
	return s, f.pass(ctx, []byte(events), &s)
}

// pass makes of whole lines notes.
func (f *follower) pass(ctx context.Context, events []byte, s *sight) error {
	for {
		line, rest, whole := bytes.Cut(events, []byte("\n"))
		if !whole {
			return nil
		}
		var e workerEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("follow the worker %s: %w", f.unit(), err)
		}
		if e.Note != "" {
			report.Note(ctx, "%s", e.Note)
		}
		if e.End != nil {
			s.end = e.End
		}
		f.offset += len(line) + 1
		events = rest
	}
}

// follow passes on what the worker says until it has ended, and returns its error.
func (f *follower) follow(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	failed := 0
	for {
		seen, err := f.look(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("follow the worker %s, which goes on: %w", f.unit(), context.Cause(ctx))
		case err != nil:
			if failed++; failed == followTries {
				return report.Transient(err, followEvery)
			}
			report.Note(ctx, "the worker %s is not seen (%d of %d): %v", f.unit(), failed, followTries, err)
		case seen.end != nil:
			return seen.end.err()
		case !seen.alive:
			return f.vanished(ctx, seen)
		default:
			failed = 0
			f.report(ctx)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// vanished is a worker that has ended without a word. The marker on the target
// knows whether its work was done.
func (f *follower) vanished(ctx context.Context, seen sight) error {
	state, err := f.Op.Check(ctx)
	if err != nil || state.Done {
		return err
	}
	text := "was killed, or its host has restarted"
	if seen.last != "" {
		text = "said: " + seen.last
	}
	return report.Transient(fmt.Errorf("the worker %s has ended before the seed was done: it %s", f.unit(), text), followEvery)
}

// report shows how far the seed is, as the target knows.
func (f *follower) report(ctx context.Context) {
	state, ok, err := seed.Running(ctx, f.Pair)
	if err == nil && ok { // else the next look will do: it is only shown
		report.Show(ctx, state.Progress.Progress())
	}
}

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

	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/report"
)

const (
	followInterval = time.Second
	// maxFollowFailures is how many polls in a row may fail before the follower gives up.
	maxFollowFailures = 5
)

// event is a line that a worker writes for its follower. The progress is not among
// them: the target has it (see control.Control).
type event struct {
	Note string   `json:"note,omitempty"`
	End  *outcome `json:"end,omitempty"`
}

// outcome is how a worker ended. An empty Error means success.
type outcome struct {
	Error     string        `json:"error,omitempty"`
	Hint      string        `json:"hint,omitempty"`
	Transient bool          `json:"transient,omitempty"`
	After     time.Duration `json:"after,omitempty"`
}

func newOutcome(err error) *outcome {
	if err == nil {
		return &outcome{}
	}
	out := &outcome{Error: err.Error(), Hint: report.Hint(err)}
	var transient *report.TransientError
	if errors.As(err, &transient) {
		out.Transient, out.After = true, transient.After
	}
	return out
}

// err returns the worker's error as the controller reports it.
func (e *outcome) err() error {
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

// follower reads a worker's events. The offset of what it has passed on is stored
// beside them on the host, so that the next controller repeats and misses nothing.
type follower struct {
	*op
	offset      int // in the events; unknown until the first poll, which reads it from the host
	offsetKnown bool
}

// observation is the state of a worker at one poll.
type observation struct {
	alive    bool
	end      *outcome
	lastLine string // of its standard error
}

// poll passes on new events. It asks for the unit's state before it reads the events:
// if the unit has ended, all of its events are there.
func (f *follower) poll(ctx context.Context) (observation, error) {
	from := `"$(cat "$run/seen" 2>/dev/null || echo 0)"`
	if f.offsetKnown {
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
		return observation{}, fmt.Errorf("follow the worker %s: %w", f.unit(), err)
	}
	head, rest, _ := strings.Cut(strings.TrimSuffix(out, "."), "\n")
	state, at, _ := strings.Cut(head, " ")
	if f.offset, err = strconv.Atoi(at); err != nil {
		return observation{}, fmt.Errorf("follow the worker %s: unexpected answer %q", f.unit(), head)
	}
	f.offsetKnown = true
	last, events, _ := strings.Cut(rest, "\n")
	s := observation{alive: state == "alive", lastLine: strings.TrimSpace(last)}
	return s, f.passOn(ctx, []byte(events), &s)
}

// passOn makes notes of complete lines.
func (f *follower) passOn(ctx context.Context, events []byte, s *observation) error {
	for {
		line, rest, whole := bytes.Cut(events, []byte("\n"))
		if !whole {
			return nil
		}
		var e event
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

// follow passes on the worker's events until it has ended, and returns its error.
func (f *follower) follow(ctx context.Context) error {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	failed := 0
	for {
		seen, err := f.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("follow the worker %s, which goes on: %w", f.unit(), context.Cause(ctx))
		case err != nil:
			if failed++; failed == maxFollowFailures {
				return report.Transient(err, followInterval)
			}
			report.Note(ctx, "the worker %s is not seen (%d of %d): %v", f.unit(), failed, maxFollowFailures, err)
		case seen.end != nil:
			return seen.end.err()
		case !seen.alive:
			return f.endedSilently(ctx, seen)
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

// endedSilently returns the error for a worker that ended without an outcome. There is none if
// the marker on the target says that the seed has finished.
func (f *follower) endedSilently(ctx context.Context, seen observation) error {
	state, err := f.Op.Check(ctx)
	if err != nil || state.Done {
		return err
	}
	text := "was killed, or its host has restarted"
	if seen.lastLine != "" {
		text = "said: " + seen.lastLine
	}
	return report.Transient(fmt.Errorf("the worker %s has ended before the seed was done: it %s", f.unit(), text), followInterval)
}

// report shows the seed's progress, which the target has.
func (f *follower) report(ctx context.Context) {
	state, ok, err := control.Running(ctx, f.Pair)
	if err == nil && ok { // after an error the next poll shows it
		report.Show(ctx, state.Progress.Report())
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/guard"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/status"
	"github.com/dcmigrate/migrate/report"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/golden/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// review has a step of every shape.
func review() plan.Review {
	return plan.Review{
		Site: "blog", Kind: verb.Cutover, Digest: strings.Repeat("0123456789abcdef", 4),
		MadeAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Steps: []plan.ReviewedStep{
			{Key: plan.Key{Kind: "cutover", Stage: "gates", Step: "lag"}, Stage: "gates", Name: "lag", Summary: "lag of main stays below 1s for 3s", Gate: true, Now: "12ms behind", Want: "below 1s", Takes: 3 * time.Second},
			{Key: plan.Key{Kind: "cutover", Stage: "gates", Step: "healthy"}, Stage: "gates", Name: "healthy", Summary: "the target answers", Gate: true},
			{
				Key: plan.Key{Kind: "cutover", Stage: "fence", Step: "main"}, Stage: "fence", Name: "main", Summary: "fence db1 (source)", Critical: true, Now: "accepts writes", Want: "fenced", Takes: 2 * time.Second,
				Hazards: []plan.Hazard{{ID: "H14", Text: "an account with SUPER writes through the fence"}, {Text: "writes fail from here on"}},
			},
			{Key: plan.Key{Kind: "cutover", Stage: "flip", Step: "zone"}, Stage: "flip", Name: "blog.test", Summary: "3 records", Unknown: true, Now: "known after stage fence", CannotUndo: "resolvers remember"},
			{Key: plan.Key{Kind: "cutover", Stage: "flip", Step: "other"}, Stage: "flip", Name: "shop.test", Summary: "1 record", Done: true, Now: "leads to the target", Want: "leads to the target", Takes: time.Hour},
		},
	}
}

func TestReviewIsPrinted(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, (&app{out: &out}).printReview(review()))
	golden(t, "review.txt", out.String())
}

func TestReviewsAsJSONAreOneValue(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out, json: true}
	require.ErrorIs(t, a.showReviews([]plan.Review{review(), review()}), errChanges)
	var got []plan.Review
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.Equal(t, []plan.Review{review(), review()}, got)
}

func TestReviewWithoutChangesIsNoError(t *testing.T) {
	r := review()
	for i := range r.Steps {
		r.Steps[i].Done = true
	}
	var out bytes.Buffer
	require.NoError(t, (&app{out: &out}).showReviews([]plan.Review{r}))
	require.Contains(t, out.String(), "5 steps, 0 changes")
	require.NotContains(t, out.String(), "expected: about", "nothing is left to wait for")
	require.NotContains(t, out.String(), "→", "what is done does not change")
}

// Steps of the events that the tests print.
var (
	network  = plan.Key{Kind: verb.Apply, Stage: "network", Step: "vpc"}
	droplets = plan.Key{Kind: verb.Apply, Stage: "droplets", Step: "droplets"}
	seedKey  = plan.Key{Kind: verb.Apply, Stage: "seed", Step: "main:seed"}
)

// events are those of one run, with one of every type.
func events() []plan.Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out []plan.Event
	add := func(after time.Duration, e plan.Event) {
		at = at.Add(after)
		e.Seq, e.Time, e.Who, e.Run, e.Kind = len(out)+1, at, "alice@ops1", "apply-1", verb.Apply
		out = append(out, e)
	}
	copied := func(n int64) *report.Progress {
		return &report.Progress{Done: n << 20, Total: 1 << 30, Unit: "B", What: "blog.posts"}
	}
	add(0, plan.Event{Type: plan.RunStarted, Digest: strings.Repeat("ab", 32)})
	add(0, plan.Event{Step: network, Type: plan.StepSkipped, Text: "10.20.0.0/20"})
	add(0, plan.Event{Step: droplets, Type: plan.StepStarted, Before: json.RawMessage(`{"ids":null}`)})
	add(time.Second, plan.Event{Step: droplets, Type: plan.StepRetry, Text: "apply, attempt 1 of 6, again in 500ms: no answer"})
	add(time.Second, plan.Event{Step: droplets, Type: plan.StepNote, Text: "held back 2s by our own rate limit"})
	add(83*time.Second, plan.Event{Step: droplets, Type: plan.StepApplied, Millis: 85000})
	add(250*time.Millisecond, plan.Event{Step: droplets, Type: plan.StepVerified, Millis: 250})
	add(0, plan.Event{Step: seedKey, Type: plan.StepStarted})
	for _, n := range []int64{0, 1, 128, 256, 257, 600} {
		add(8*time.Second, plan.Event{Step: seedKey, Type: plan.StepProgress, Progress: copied(n)})
	}
	add(2*time.Second, plan.Event{Step: seedKey, Type: plan.StepFailed, Text: "apply/seed/main:seed: connection lost"})
	add(0, plan.Event{Type: plan.RunFailed, Text: "apply/seed/main:seed: connection lost", Millis: 135250})
	add(time.Minute, plan.Event{Type: plan.RunResumed, Digest: strings.Repeat("ab", 32)})
	add(0, plan.Event{Step: seedKey, Type: plan.StepVerified, Millis: 40})
	add(0, plan.Event{Type: plan.RunFinished, Millis: 61000})
	add(0, plan.Event{Step: seedKey, Type: plan.StepUndoing})
	add(0, plan.Event{Step: seedKey, Type: plan.StepUndone, Millis: 1500})
	add(0, plan.Event{Type: plan.RunStopped, Text: "undone"})
	return out
}

func TestEventsArePrinted(t *testing.T) {
	var out bytes.Buffer
	w := (&app{out: &out}).watcher()
	for _, e := range events() {
		w.event(e)
	}
	require.NotContains(t, out.String(), "\r", "nothing is drawn over where there is no terminal")
	golden(t, "events.txt", out.String())
}

func TestEventsAsJSONAreOneALine(t *testing.T) {
	var out bytes.Buffer
	w := (&app{out: &out, json: true}).watcher()
	var want []plan.Event
	for _, e := range events() {
		w.event(e)
		if e.Type != plan.StepProgress {
			want = append(want, e)
		}
	}
	var got []plan.Event
	for line := range strings.Lines(out.String()) {
		var e plan.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		got = append(got, e)
	}
	require.Equal(t, want, got)
}

// A terminal gets at most ten updates a second. Each overwrites the last one, and none
// stays above the next line.
func TestProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	w := (&app{out: &out}).watcher()
	w.tty = true
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for n := range int64(1001) {
		w.event(plan.Event{
			Time: at.Add(time.Duration(n) * time.Millisecond), Kind: verb.Apply, Step: seedKey, Type: plan.StepProgress,
			Progress: &report.Progress{Done: n, Total: 1000, Unit: "rows", What: strings.Repeat("a long name ", 20)},
		})
	}
	require.Equal(t, 10, strings.Count(out.String(), "\r\x1b[K"))
	for line := range strings.SplitSeq(out.String(), "\r\x1b[K") {
		require.LessOrEqual(t, len(line), 110, "it must not wrap")
	}
	require.False(t, strings.HasSuffix(out.String(), "\n"))
	out.Reset()
	w.event(plan.Event{Kind: verb.Apply, Step: seedKey, Type: plan.StepNote, Text: "a note"})
	require.Equal(t, "\r\x1b[K  note    seed/main:seed                       a note\n", out.String())
}

func TestProgressIsDescribed(t *testing.T) {
	for want, c := range map[string]struct {
		p       report.Progress
		elapsed time.Duration
	}{
		"0 rows":                      {report.Progress{Unit: "rows"}, time.Minute},
		"2 of 4 (50%)":                {report.Progress{Done: 2, Total: 4}, time.Minute},
		"1 of 3 droplets (33%)  web1": {report.Progress{Done: 1, Total: 3, Unit: "droplets", What: "web1"}, time.Minute},
		"500 of 1000 rows (50%)":      {report.Progress{Done: 500, Total: 1000, Unit: "rows"}, time.Millisecond},
		"500 rows, 50 rows/s  a.b":    {report.Progress{Done: 500, Unit: "rows", What: "a.b"}, 10 * time.Second},
		"1.0 GiB of 4.0 GiB (25%), 17.1 MiB/s, 3m0s left": {report.Progress{Done: 1 << 30, Total: 4 << 30, Unit: "B"}, time.Minute},
		"512 B":                     {report.Progress{Done: 512, Unit: "B"}, 0},
		"5.0 MiB of 4.0 MiB (125%)": {report.Progress{Done: 5 << 20, Total: 4 << 20, Unit: "B"}, 0},
	} {
		require.Equal(t, want, describe(c.p, 0, c.elapsed))
	}
}

func TestStatusIsPrinted(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := move.Status{
		Site: "blog", ID: "blog-t3st", Position: verb.Applied, At: at,
		Holder: &plan.Holder{Who: "alice@ops1", PID: 7, Verb: verb.Cutover, Since: at},
		Hosts:  []move.HostStatus{{Name: "web1", Old: "192.0.2.10", New: "203.0.113.10"}, {Name: "db1", Old: "192.0.2.11"}},
		Pairs: []status.Pair{{
			Pair:    "main",
			Source:  status.Server{Name: "db1 (source)", Version: "MariaDB 10.11.14", Clients: 12},
			Target:  status.Server{Name: "db1 (target)", Error: "connection lost"},
			Forward: status.Link{Configured: true, Running: true, Lag: link.Lag{Behind: 12 * time.Millisecond, Transactions: 3}},
			Reverse: status.Link{Configured: true, Error: "1062 duplicate entry"},
			Guards: []guard.Status{{
				Server: "db1 (source)", Host: "db1", State: "armed", Alive: true,
				Opens: "db1 (source)", Deadline: at.Add(8 * time.Second), Left: 8 * time.Second,
			}},
		}},
		Last: &plan.Event{Run: "apply-1", Step: seedKey, Type: plan.StepVerified, Time: at},
	}
	s.Pairs[0].Rollback.Missing = []string{"the reverse link does not run", "no verify of the reverse way"}
	var out bytes.Buffer
	require.NoError(t, (&app{out: &out}).printStatus(s))
	golden(t, "status.txt", out.String())
	out.Reset()
	require.NoError(t, (&app{out: &out, json: true}).printStatus(s))
	var got move.Status
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.Equal(t, s.Pairs[0].Forward.Lag, got.Pairs[0].Forward.Lag)
}

func TestReportedErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code int
		want string
	}{
		"none":          {nil, exitOK, ""},
		"changes":       {errChanges, exitChanges, ""},
		"plain":         {errors.New("it broke"), exitFailed, "migrate: error: it broke\n"},
		"hint":          {fmt.Errorf("outer: %w", report.WithHint(errors.New("it broke"), "mend it")), exitFailed, "migrate: error: outer: it broke\nmigrate: hint: mend it\n"},
		"configuration": {&config.Error{File: "m.yaml", Line: 3, Text: "no", Hint: "yes"}, exitConfig, "migrate: error: m.yaml:3: no\nmigrate: hint: yes\n"},
		"transient":     {report.Transient(fmt.Errorf("connect: %w", remote.ErrUnreachable), time.Second), exitUnreachable, "migrate: error: connect: host is unreachable\n"},
		"journal error": {errors.Join(report.WithHint(errors.New("a"), "first"), errors.New("b")), exitFailed, "migrate: error: a\nmigrate: error: b\nmigrate: hint: first\n"},
		"said twice":    {errors.Join(errors.New("same"), errors.New("same")), exitFailed, "migrate: error: same\n"},
		"locked":        {&plan.LockedError{Holder: plan.Holder{Who: "bob", PID: 3, Verb: "apply"}}, exitLocked, "migrate: error: bob holds the lock of this migration (pid 3, apply since 00:00:00)\n"},
		"stale":         {&plan.StaleError{Kind: "apply", Reason: "because"}, exitRefused, "migrate: error: the reviewed apply plan does not hold any more: because\n"},
		"stopped":       {fmt.Errorf("%w: here", plan.ErrStopped), exitStopped, "migrate: error: stopped before the plan was finished: here\n"},
		"different":     {&move.DifferenceError{Count: 2}, exitDifferent, "migrate: error: the sides differ: 2 differences\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			require.Equal(t, c.code, (&app{err: &stderr}).report(c.err))
			require.Equal(t, c.want, stderr.String())
		})
	}
}

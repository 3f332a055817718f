package throttle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/report"
)

// Limits is what a seed takes from the source at most.
type Limits struct {
	Workers        int           `json:"workers"`          // connections that read
	BytesPerSecond int64         `json:"bytes_per_second"` // of rows; 0: unlimited
	MostRunning    int           `json:"threads_running"`  // of the source, above which the seed waits
	MostLag        time.Duration `json:"replica_lag"`      // of the source's replicas, above which the seed waits
	Paused         bool          `json:"paused,omitempty"`
}

// String says the limits in the words of the command that changes them.
func (l Limits) String() string {
	rate := "no limit of the rate"
	if l.BytesPerSecond > 0 {
		rate = RateText(l.BytesPerSecond)
	}
	text := fmt.Sprintf("%d workers, %s, waits above %d running threads and %s of replica lag", l.Workers, rate, l.MostRunning, l.MostLag)
	if l.Paused {
		text = "paused; " + text
	}
	return text
}

// RateText is a rate with its unit, such as "1.5 MiB/s".
func RateText(bytesPerSecond int64) string { return phrase.Bytes(bytesPerSecond) + "/s" }

// Causes for which a seed waits, besides its rate.
const (
	causePause   = "pause"
	causeThreads = "threads"
	causeLag     = "lag"
)

// noteAgain is how long a cause that comes and goes is not noted again: the
// progress line has it all the time.
const noteAgain = time.Minute

// Throttle holds the seed back: to a rate, while the source or its replicas
// have too much to do, and while it is paused. It holds between two reads only,
// when nothing is open on the source: a read that waited would keep the source
// from forgetting old versions of rows.
type Throttle struct {
	Mu      sync.Mutex
	Limits  Limits
	Causes  map[string]string // why the seed waits, in plain words, by cause
	changed chan struct{}     // closed when limits or causes have changed
	noted   map[string]time.Time
	silent  map[string]bool // causes that stand and were not noted

	issued, paid float64 // bytes that were read, and those that the rate has allowed so far
	at           time.Time
}

// New returns a throttle with limits.
func New(l Limits) *Throttle {
	t := &Throttle{
		Limits: l, Causes: map[string]string{}, changed: make(chan struct{}), at: time.Now(),
		noted: map[string]time.Time{}, silent: map[string]bool{},
	}
	t.pause()
	return t
}

// Current is the limits as they are now.
func (t *Throttle) Current() Limits {
	t.Mu.Lock()
	defer t.Mu.Unlock()
	return t.Limits
}

// Wait returns when more may be read.
func (t *Throttle) Wait(ctx context.Context) error {
	for {
		t.Mu.Lock()
		t.settle()
		rest, closed, changed := t.rest(), len(t.Causes) > 0, t.changed
		t.Mu.Unlock()
		if !closed && rest <= 0 {
			return nil
		}
		timer := time.NewTimer(rest)
		if closed {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// Took counts bytes that were read.
func (t *Throttle) Took(bytes int64) {
	t.Mu.Lock()
	defer t.Mu.Unlock()
	t.settle()
	t.issued += float64(bytes)
}

// settle counts what the rate has allowed since it was last asked. What was not
// used is lost: a seed that was idle does not burst.
func (t *Throttle) settle() {
	now := time.Now()
	t.paid = min(t.issued, t.paid+float64(t.Limits.BytesPerSecond)*now.Sub(t.at).Seconds())
	if t.Limits.BytesPerSecond == 0 {
		t.paid = t.issued
	}
	t.at = now
}

// rest is how long the rate holds the next read back.
func (t *Throttle) rest() time.Duration {
	if t.Limits.BytesPerSecond == 0 {
		return 0
	}
	return time.Duration((t.issued - t.paid) / float64(t.Limits.BytesPerSecond) * float64(time.Second))
}

// Chunk is how many bytes one read may have, so that the rate is kept within
// about a second and no worker waits long for the others.
func (t *Throttle) Chunk() int64 {
	l := t.Current()
	if l.BytesPerSecond == 0 {
		return ChunkBytes
	}
	return min(ChunkBytes, max(l.BytesPerSecond/int64(2*l.Workers), 16<<10))
}

// Set changes the limits and reports whether they are others now.
func (t *Throttle) Set(l Limits) bool {
	t.Mu.Lock()
	defer t.Mu.Unlock()
	if l == t.Limits {
		return false
	}
	t.settle()
	t.Limits = l
	t.pause()
	t.tell()
	return true
}

// pause makes of a pause in the limits a cause to wait.
func (t *Throttle) pause() {
	delete(t.Causes, causePause)
	if t.Limits.Paused {
		t.Causes[causePause] = "paused by migrate throttle"
	}
}

// tell wakes who waits. It is called with the lock held.
func (t *Throttle) tell() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// because sets why the seed waits, or with an empty text that it does no more
// for this cause. A change is noted, with what is said of it, but not one a second.
func (t *Throttle) because(ctx context.Context, cause, text, now string) {
	t.Mu.Lock()
	defer t.Mu.Unlock()
	before := t.Causes[cause]
	switch {
	case text != "" && before == "":
		if t.silent[cause] = time.Since(t.noted[cause]) < noteAgain; !t.silent[cause] {
			t.noted[cause] = time.Now()
			report.Note(ctx, "the seed waits: %s", text)
		}
	case text == "" && before != "":
		if !t.silent[cause] {
			report.Note(ctx, "the seed goes on: %s", now)
		}
		delete(t.Causes, cause)
		t.tell()
	}
	if text != "" {
		t.Causes[cause] = text
	}
}

// Reason says in plain words what holds the seed back now; "" is nothing.
func (t *Throttle) Reason() string {
	t.Mu.Lock()
	defer t.Mu.Unlock()
	t.settle()
	if len(t.Causes) > 0 {
		return "waits: " + strings.Join(slices.Sorted(maps.Values(t.Causes)), "; ")
	}
	if t.rest() > 0 {
		return "held to " + RateText(t.Limits.BytesPerSecond)
	}
	return ""
}

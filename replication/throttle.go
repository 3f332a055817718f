package replication

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
		rate = rateText(l.BytesPerSecond)
	}
	text := fmt.Sprintf("%d workers, %s, waits above %d running threads and %s of replica lag", l.Workers, rate, l.MostRunning, l.MostLag)
	if l.Paused {
		text = "paused; " + text
	}
	return text
}

// rateText is a rate with its unit, such as "1.5 MiB/s".
func rateText(bytesPerSecond int64) string { return phrase.Bytes(bytesPerSecond) + "/s" }

// Causes for which a seed waits, besides its rate.
const (
	causePause   = "pause"
	causeThreads = "threads"
	causeLag     = "lag"
)

// noteAgain is how long a cause that comes and goes is not noted again: the
// progress line has it all the time.
const noteAgain = time.Minute

// throttle holds the seed back: to a rate, while the source or its replicas
// have too much to do, and while it is paused. It holds between two reads only,
// when nothing is open on the source: a read that waited would keep the source
// from forgetting old versions of rows.
type throttle struct {
	mu      sync.Mutex
	limits  Limits
	causes  map[string]string // why the seed waits, in plain words, by cause
	changed chan struct{}     // closed when limits or causes have changed
	noted   map[string]time.Time
	silent  map[string]bool // causes that stand and were not noted

	issued, paid float64 // bytes that were read, and those that the rate has allowed so far
	at           time.Time
}

func newThrottle(l Limits) *throttle {
	t := &throttle{
		limits: l, causes: map[string]string{}, changed: make(chan struct{}), at: time.Now(),
		noted: map[string]time.Time{}, silent: map[string]bool{},
	}
	t.pause()
	return t
}

// current is the limits as they are now.
func (t *throttle) current() Limits {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limits
}

// wait returns when more may be read.
func (t *throttle) wait(ctx context.Context) error {
	for {
		t.mu.Lock()
		t.settle()
		rest, closed, changed := t.rest(), len(t.causes) > 0, t.changed
		t.mu.Unlock()
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

// took counts bytes that were read.
func (t *throttle) took(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle()
	t.issued += float64(bytes)
}

// settle counts what the rate has allowed since it was last asked. What was not
// used is lost: a seed that was idle does not burst.
func (t *throttle) settle() {
	now := time.Now()
	t.paid = min(t.issued, t.paid+float64(t.limits.BytesPerSecond)*now.Sub(t.at).Seconds())
	if t.limits.BytesPerSecond == 0 {
		t.paid = t.issued
	}
	t.at = now
}

// rest is how long the rate holds the next read back.
func (t *throttle) rest() time.Duration {
	if t.limits.BytesPerSecond == 0 {
		return 0
	}
	return time.Duration((t.issued - t.paid) / float64(t.limits.BytesPerSecond) * float64(time.Second))
}

// chunk is how many bytes one read may have, so that the rate is kept within
// about a second and no worker waits long for the others.
func (t *throttle) chunk() int64 {
	l := t.current()
	if l.BytesPerSecond == 0 {
		return chunkBytes
	}
	return min(chunkBytes, max(l.BytesPerSecond/int64(2*l.Workers), 16<<10))
}

// set changes the limits and reports whether they are others now.
func (t *throttle) set(l Limits) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l == t.limits {
		return false
	}
	t.settle()
	t.limits = l
	t.pause()
	t.tell()
	return true
}

// pause makes of a pause in the limits a cause to wait.
func (t *throttle) pause() {
	delete(t.causes, causePause)
	if t.limits.Paused {
		t.causes[causePause] = "paused by migrate throttle"
	}
}

// tell wakes who waits. It is called with the lock held.
func (t *throttle) tell() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// because sets why the seed waits, or with an empty text that it does no more
// for this cause. A change is noted, with what is said of it, but not one a second.
func (t *throttle) because(ctx context.Context, cause, text, now string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.causes[cause]
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
		delete(t.causes, cause)
		t.tell()
	}
	if text != "" {
		t.causes[cause] = text
	}
}

// reason says in plain words what holds the seed back now; "" is nothing.
func (t *throttle) reason() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle()
	if len(t.causes) > 0 {
		return "waits: " + strings.Join(slices.Sorted(maps.Values(t.causes)), "; ")
	}
	if t.rest() > 0 {
		return "held to " + rateText(t.limits.BytesPerSecond)
	}
	return ""
}

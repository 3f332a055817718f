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

// ChunkBytes is the largest size of one read of a seed, in bytes.
const ChunkBytes = 16 << 20

// Limits bound what a seed takes from the source.
type Limits struct {
	Workers        int           `json:"workers"`          // connections that read
	BytesPerSecond int64         `json:"bytes_per_second"` // of rows; 0: unlimited
	MostRunning    int           `json:"threads_running"`  // the source's Threads_running above which the seed waits
	MostLag        time.Duration `json:"replica_lag"`      // the lag of a replica of the source above which the seed waits
	Paused         bool          `json:"paused,omitempty"`
}

// String returns the limits in the words of the command that changes them.
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

// RateText formats a rate with its unit, such as "1.5 MiB/s".
func RateText(bytesPerSecond int64) string { return phrase.Bytes(bytesPerSecond) + "/s" }

// The causes for which a seed waits, besides its rate.
const (
	causePause   = "pause"
	causeThreads = "threads"
	causeLag     = "lag"
)

// noteInterval is the least time between two notes of the same cause, which may come and go
// every second. The progress line shows the cause all the time.
const noteInterval = time.Minute

// Throttle makes a seed wait: for its rate, while the source or its replicas are
// too busy, and while the seed is paused. A seed waits only between two reads, when
// it has no transaction open on the source: an open one would keep the source from
// purging old versions of rows.
type Throttle struct {
	mu        sync.Mutex
	limits    Limits
	causes    map[string]string // why the seed waits, in plain words, by cause
	changed   chan struct{}     // closed when the limits or the causes change
	lastNoted map[string]time.Time
	unnoted   map[string]bool // causes that hold now and were not noted

	bytesRead, bytesAllowed float64   // what was read, and what the rate has allowed so far
	countedAt               time.Time // when bytesAllowed was last brought up to date
}

// New returns a throttle with the given limits.
func New(l Limits) *Throttle {
	t := &Throttle{
		limits: l, causes: map[string]string{}, changed: make(chan struct{}), countedAt: time.Now(),
		lastNoted: map[string]time.Time{}, unnoted: map[string]bool{},
	}
	t.applyPause()
	return t
}

// Current returns the limits as they are now.
func (t *Throttle) Current() Limits {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limits
}

// Allowed returns the rate that applies now in bytes a second (0: unlimited), and
// whether the seed is held back altogether.
func (t *Throttle) Allowed() (bytesPerSecond int64, held bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limits.BytesPerSecond, len(t.causes) > 0
}

// Wait blocks until more may be read. It returns the cause of ctx's end.
func (t *Throttle) Wait(ctx context.Context) error {
	for {
		t.mu.Lock()
		t.countAllowed()
		delay, held, changed := t.delay(), len(t.causes) > 0, t.changed
		t.mu.Unlock()
		if !held && delay <= 0 {
			return nil
		}
		timer := time.NewTimer(delay)
		if held {
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

// Count records bytes that were read.
func (t *Throttle) Count(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.countAllowed()
	t.bytesRead += float64(bytes)
}

// countAllowed adds what the rate has allowed since the last call. An unused
// allowance expires: a seed that was idle does not burst.
func (t *Throttle) countAllowed() {
	now := time.Now()
	t.bytesAllowed = min(t.bytesRead, t.bytesAllowed+float64(t.limits.BytesPerSecond)*now.Sub(t.countedAt).Seconds())
	if t.limits.BytesPerSecond == 0 {
		t.bytesAllowed = t.bytesRead
	}
	t.countedAt = now
}

// delay is how long the next read must wait for the rate.
func (t *Throttle) delay() time.Duration {
	if t.limits.BytesPerSecond == 0 {
		return 0
	}
	return time.Duration((t.bytesRead - t.bytesAllowed) / float64(t.limits.BytesPerSecond) * float64(time.Second))
}

// ChunkSize is the most bytes that one read may have. It is small enough that the rate holds
// within about a second and that no worker waits long for the others.
func (t *Throttle) ChunkSize() int64 {
	l := t.Current()
	if l.BytesPerSecond == 0 {
		return ChunkBytes
	}
	return min(ChunkBytes, max(l.BytesPerSecond/int64(2*l.Workers), 16<<10))
}

// Set changes the limits and reports whether they differ from before.
func (t *Throttle) Set(l Limits) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l == t.limits {
		return false
	}
	t.countAllowed()
	t.limits = l
	t.applyPause()
	t.wake()
	return true
}

// applyPause turns a pause in the limits into a cause to wait.
func (t *Throttle) applyPause() {
	delete(t.causes, causePause)
	if t.limits.Paused {
		t.causes[causePause] = "paused by migrate throttle"
	}
}

// wake wakes everything that waits. The caller holds the lock.
func (t *Throttle) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// setCause sets why the seed waits; an empty text ends the cause. It notes a change,
// with now as the reason for an end, but the same cause at most once a noteInterval.
func (t *Throttle) setCause(ctx context.Context, cause, text, now string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.causes[cause]
	switch {
	case text != "" && before == "":
		if t.unnoted[cause] = time.Since(t.lastNoted[cause]) < noteInterval; !t.unnoted[cause] {
			t.lastNoted[cause] = time.Now()
			report.Note(ctx, "the seed waits: %s", text)
		}
	case text == "" && before != "":
		if !t.unnoted[cause] {
			report.Note(ctx, "the seed goes on: %s", now)
		}
		delete(t.causes, cause)
		t.wake()
	}
	if text != "" {
		t.causes[cause] = text
	}
}

// Reason says in plain words what holds the seed back now, or "".
func (t *Throttle) Reason() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.countAllowed()
	if len(t.causes) > 0 {
		return "waits: " + strings.Join(slices.Sorted(maps.Values(t.causes)), "; ")
	}
	if t.delay() > 0 {
		return "held to " + RateText(t.limits.BytesPerSecond)
	}
	return ""
}

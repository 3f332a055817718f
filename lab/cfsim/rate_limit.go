package cfsim

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// limiter allows quota events in a window for each key. It refuses further events. With
// a penalty it then blocks the key for that long.
type limiter struct {
	quota   int
	window  time.Duration
	penalty time.Duration

	mu   sync.Mutex
	keys map[string]*usage
}

// usage holds one key's events of the last window, oldest first.
type usage struct {
	events       []time.Time
	blockedUntil time.Time
}

// budget is a key's remaining quota after an event.
type budget struct {
	quota, left int
	window      time.Duration
	reset       time.Duration // until the quota grows again
	retryAfter  time.Duration // zero: the event was allowed
}

func newLimiter(quota int, window, penalty time.Duration) limiter {
	return limiter{quota: quota, window: window, penalty: penalty, keys: map[string]*usage{}}
}

// take counts one event of key, unless its quota is used up.
func (l *limiter) take(key string, now time.Time) budget {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.keys[key]
	if u == nil {
		u = &usage{}
		l.keys[key] = u
	}
	old := 0
	for old < len(u.events) && now.Sub(u.events[old]) >= l.window {
		old++
	}
	u.events = u.events[old:]
	b := budget{quota: l.quota, window: l.window, reset: l.window}
	if wait := u.blockedUntil.Sub(now); wait > 0 {
		b.reset, b.retryAfter = wait, wait
		return b
	}
	if len(u.events) >= l.quota {
		b.retryAfter = l.window - now.Sub(u.events[0])
		if l.penalty > 0 {
			b.retryAfter = l.penalty
			u.blockedUntil = now.Add(l.penalty)
			u.events = nil
		}
		b.reset = b.retryAfter
		return b
	}
	u.events = append(u.events, now)
	b.left = l.quota - len(u.events)
	b.reset = l.window - now.Sub(u.events[0])
	return b
}

// describe sets the rate limit's headers, which every answer has.
func (b budget) describe(h http.Header) {
	h.Set("Ratelimit", fmt.Sprintf(`"default";r=%d;t=%s`, b.left, seconds(b.reset)))
	h.Set("Ratelimit-Policy", fmt.Sprintf(`"default";q=%d;w=%s`, b.quota, seconds(b.window)))
}

// seconds rounds up, because a client that returns too early is refused again.
func seconds(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}

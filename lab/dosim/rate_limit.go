package dosim

import (
	"sync"
	"time"
)

// limiter allows limit requests in a sliding window. Refused requests do not count.
type limiter struct {
	window time.Duration
	limit  int

	mu   sync.Mutex
	hits []time.Time
}

// verdict is a limiter's decision about one request.
type verdict struct {
	allowed   bool
	remaining int
	reset     time.Time // when the oldest request leaves the window
}

func (l *limiter) take(now time.Time) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.verdictAt(now)
	if v.allowed = v.remaining > 0; v.allowed {
		l.hits = append(l.hits, now)
		v.remaining--
	}
	return v
}

func (l *limiter) peek(now time.Time) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.verdictAt(now)
}

func (l *limiter) verdictAt(now time.Time) verdict {
	for len(l.hits) > 0 && !l.hits[0].After(now.Add(-l.window)) {
		l.hits = l.hits[1:]
	}
	v := verdict{remaining: l.limit - len(l.hits), reset: now.Add(l.window)}
	if len(l.hits) > 0 {
		v.reset = l.hits[0].Add(l.window)
	}
	return v
}

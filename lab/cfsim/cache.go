package cfsim

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What the cache keeps at most, in bytes.
const (
	maxCached = 1 << 20  // one body
	maxCache  = 64 << 20 // all bodies
)

// cached is one answer in the cache.
type cached struct {
	zone, host, uri string
	tags            []string // of Cache-Tag, lower case
	header          http.Header
	body            []byte
	stored, expires time.Time
}

// cache keeps answers to GET that their origin declared public with a max-age.
type cache struct {
	now func() time.Time

	mu         sync.Mutex
	entries    map[string]*cached
	size       int
	generation int // one up with every purge: answers asked for before it are not stored after it
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, entries: map[string]*cached{}}
}

// cacheKey of a request, or "" for one that the cache has no part in.
func cacheKey(host string, r *http.Request) string {
	if r.Method != http.MethodGet || r.Header.Get("Authorization") != "" ||
		r.Header.Get("Range") != "" || r.Header.Get("Upgrade") != "" {
		return ""
	}
	return host + " " + r.URL.RequestURI() + " " + r.Header.Get("Accept-Encoding")
}

// get returns the fresh answer of a key; expired tells that there was an old
// one. The generation goes to store with what the origin answers.
func (c *cache) get(key string) (hit *cached, expired bool, generation int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	switch {
	case e == nil:
		return nil, false, c.generation
	case c.now().Before(e.expires):
		return e, false, c.generation
	default:
		c.drop(key)
		return nil, true, c.generation
	}
}

func (c *cache) store(key string, e *cached, generation int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	c.drop(key)
	for other := range c.entries { // any will do
		if c.size+len(e.body) <= maxCache {
			break
		}
		c.drop(other)
	}
	c.entries[key] = e
	c.size += len(e.body)
}

// drop forgets an entry; c.mu must be held.
func (c *cache) drop(key string) {
	if e := c.entries[key]; e != nil {
		c.size -= len(e.body)
		delete(c.entries, key)
	}
}

// purge drops a zone's entries that match.
func (c *cache) purge(zone string, matches func(*cached) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for key, e := range c.entries {
		if e.zone == zone && matches(e) {
			c.drop(key)
		}
	}
}

// lifetime is how long an answer may be kept, 0 for not at all.
func lifetime(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Set-Cookie") != "" {
		return 0
	}
	if vary := resp.Header.Get("Vary"); vary != "" && !strings.EqualFold(vary, "Accept-Encoding") {
		return 0
	}
	public, age, shared := false, 0, -1
	for directive := range strings.SplitSeq(strings.ToLower(resp.Header.Get("Cache-Control")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		n, err := strconv.Atoi(strings.Trim(value, `"`))
		switch {
		case name == "private" || name == "no-store" || name == "no-cache":
			return 0
		case name == "public":
			public = true
		case name == "max-age" && err == nil:
			age = n
		case name == "s-maxage" && err == nil:
			shared = n
		}
	}
	if shared >= 0 {
		age = shared
	}
	if !public || age <= 0 {
		return 0
	}
	return min(time.Duration(age)*time.Second, 365*24*time.Hour)
}

// recorder copies a body while it is read, and hands it over at its end.
type recorder struct {
	io.ReadCloser
	body bytes.Buffer
	full bool // larger than the cache takes
	done func(body []byte)
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if !r.full {
		r.body.Write(p[:n])
		r.full = r.body.Len() > maxCached
	}
	if err == io.EOF && !r.full && r.done != nil {
		r.done(r.body.Bytes())
		r.done = nil
	}
	return n, err
}

// serve answers from the cache.
func (e *cached) serve(w http.ResponseWriter, now time.Time) {
	header := w.Header()
	for name, values := range e.header {
		header[name] = values
	}
	header.Set("Age", strconv.Itoa(int(now.Sub(e.stored).Seconds())))
	header.Set("Cf-Cache-Status", "HIT")
	header.Set("Content-Length", strconv.Itoa(len(e.body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(e.body) // a client that left is no concern of ours
}

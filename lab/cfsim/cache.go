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

// Limits of the cache, in bytes.
const (
	maxCachedBody = 1 << 20  // one body
	maxCacheSize  = 64 << 20 // all bodies
)

// cacheEntry is one answer in the cache.
type cacheEntry struct {
	zone, host, uri     string
	tags                []string // of Cache-Tag, lower case
	header              http.Header
	body                []byte
	storedAt, expiresAt time.Time
}

// cache keeps answers to GET that the origin marks as public with a max-age.
type cache struct {
	now func() time.Time

	mu         sync.Mutex
	entries    map[string]*cacheEntry
	size       int
	generation int // incremented by every purge, so that answers requested before it are not stored after it
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, entries: map[string]*cacheEntry{}}
}

// cacheKey returns the key of a request, or "" if the cache does not apply to it.
func cacheKey(host string, r *http.Request) string {
	if r.Method != http.MethodGet || r.Header.Get("Authorization") != "" ||
		r.Header.Get("Range") != "" || r.Header.Get("Upgrade") != "" {
		return ""
	}
	return host + " " + r.URL.RequestURI() + " " + r.Header.Get("Accept-Encoding")
}

// get returns the fresh answer of a key, or nil; expired reports that there was an old
// one. Pass the generation to store with the origin's answer.
func (c *cache) get(key string) (hit *cacheEntry, expired bool, generation int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	switch {
	case e == nil:
		return nil, false, c.generation
	case c.now().Before(e.expiresAt):
		return e, false, c.generation
	default:
		c.drop(key)
		return nil, true, c.generation
	}
}

func (c *cache) store(key string, e *cacheEntry, generation int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	c.drop(key)
	for other := range c.entries { // in random order
		if c.size+len(e.body) <= maxCacheSize {
			break
		}
		c.drop(other)
	}
	c.entries[key] = e
	c.size += len(e.body)
}

// drop removes an entry. The caller holds c.mu.
func (c *cache) drop(key string) {
	if e := c.entries[key]; e != nil {
		c.size -= len(e.body)
		delete(c.entries, key)
	}
}

// purge drops a zone's entries that match.
func (c *cache) purge(zone string, matches func(*cacheEntry) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for key, e := range c.entries {
		if e.zone == zone && matches(e) {
			c.drop(key)
		}
	}
}

// cacheLifetime returns how long the cache may keep an answer; 0 means not at all.
func cacheLifetime(resp *http.Response) time.Duration {
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

// bodyRecorder copies a body while it is read, and passes the copy to onEnd.
type bodyRecorder struct {
	io.ReadCloser
	body     bytes.Buffer
	tooLarge bool // larger than the cache takes
	onEnd    func(body []byte)
}

func (r *bodyRecorder) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if !r.tooLarge {
		r.body.Write(p[:n])
		r.tooLarge = r.body.Len() > maxCachedBody
	}
	if err == io.EOF && !r.tooLarge && r.onEnd != nil {
		r.onEnd(r.body.Bytes())
		r.onEnd = nil
	}
	return n, err
}

// serve answers with the entry.
func (e *cacheEntry) serve(w http.ResponseWriter, now time.Time) {
	header := w.Header()
	for name, values := range e.header {
		header[name] = values
	}
	header.Set("Age", strconv.Itoa(int(now.Sub(e.storedAt).Seconds())))
	header.Set("Cf-Cache-Status", "HIT")
	header.Set("Content-Length", strconv.Itoa(len(e.body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(e.body) // fails only if the client has left
}

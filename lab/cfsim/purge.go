package cfsim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// purgeInput is the body of a purge. Raw fields distinguish absent from empty.
type purgeInput struct {
	Everything json.RawMessage   `json:"purge_everything"`
	Files      []json.RawMessage `json:"files"` // URLs, or objects with url and headers
	Tags       []string          `json:"tags"`
	Hosts      []string          `json:"hosts"`
	Prefixes   []string          `json:"prefixes"`
}

// purgeCache purges the caches of all edges: everything, or by file, tag, host or prefix.
func (s *Sim) purgeCache(c *call) (answer, error) {
	var in purgeInput
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	matches, err := in.matcher(s.plan.purgeItems)
	if err != nil {
		return answer{}, err
	}
	s.mu.RLock()
	z, err := s.zone(c)
	edges := make([]*Edge, 0, len(s.edges))
	for e := range s.edges {
		edges = append(edges, e)
	}
	s.mu.RUnlock()
	if err != nil {
		return answer{}, err
	}
	if len(in.Files) == 0 {
		if b := s.purges.take(s.accountID, s.options.Now()); b.retryAfter > 0 {
			err := refusal(http.StatusTooManyRequests, codePurgeRate, "Unable to purge, rate limit exceeded. Please wait and try again.")
			err.retryAfter = b.retryAfter
			return answer{}, err
		}
	}
	for _, e := range edges {
		e.cache.purge(z.name, matches)
	}
	return answer{result: map[string]string{"id": z.id}}, nil
}

// matcher checks the body and returns a function that selects the entries to purge.
func (in purgeInput) matcher(limit int) (func(*cacheEntry) bool, error) {
	n := len(in.Files) + len(in.Tags) + len(in.Hosts) + len(in.Prefixes)
	if in.Everything != nil {
		if n > 0 {
			return nil, invalid(codePurgeMixed, `Request cannot contain "purge_everything" and any of "files", "tags", "hosts" or "prefixes"`)
		}
		if string(in.Everything) != "true" {
			return nil, invalid(codePurgeItems, `"purge_everything" must be true.`)
		}
		return func(*cacheEntry) bool { return true }, nil
	}
	if n == 0 || n > limit {
		return nil, invalid(codePurgeItems, "Request must contain 1 to %d items to purge.", limit)
	}
	set := map[string]bool{}
	for _, raw := range in.Files {
		file, err := cachedURI(raw)
		if err != nil {
			return nil, err
		}
		set["file "+file] = true
	}
	for _, tag := range in.Tags {
		set["tag "+strings.ToLower(tag)] = true
	}
	for _, host := range in.Hosts {
		set["host "+lowerHost(host)] = true
	}
	return func(e *cacheEntry) bool {
		for _, tag := range e.tags {
			if set["tag "+tag] {
				return true
			}
		}
		for _, prefix := range in.Prefixes {
			if strings.HasPrefix(e.host+e.uri, prefix) {
				return true
			}
		}
		return set["host "+e.host] || set["file "+e.host+e.uri]
	}, nil
}

// cachedURI returns the host and URI of an entry of files.
func cachedURI(raw json.RawMessage) (string, error) {
	var file struct {
		URL string `json:"url"`
	}
	if json.Unmarshal(raw, &file.URL) != nil && json.Unmarshal(raw, &file) != nil {
		return "", invalid(codeBadBody, "Request body is invalid: files.")
	}
	u, err := url.Parse(file.URL)
	if err != nil || u.Host == "" {
		return "", invalid(codePurgeItems, "Invalid file URL.")
	}
	return lowerHost(u.Hostname()) + u.RequestURI(), nil
}

package cfsim

import (
	"encoding/json"
	"slices"
	"time"
)

// Record is one DNS record. AddZone requires Type, Name, and Content or Data; the other
// fields have defaults. The API's rules for names, contents, TTLs and conflicts apply.
// The Sim returns copies.
type Record struct {
	ID      string
	Type    string
	Name    string // FQDN without the final dot; as input also "@" and short names
	Content string
	TTL     int // seconds; 1 (as input also 0) is automatic
	Proxied bool
	// Priority of MX, URI and SRV records.
	Priority int
	// Data of types whose content has fields (SRV, CAA, …).
	Data     map[string]any
	Comment  string
	Tags     []string
	Settings map[string]any

	CreatedOn, ModifiedOn             time.Time
	CommentModifiedOn, TagsModifiedOn time.Time
}

// clone returns a copy. Stored records are replaced, never changed, so that views can
// share them.
func (r *Record) clone() *Record {
	c := *r
	c.Tags = slices.Clone(r.Tags)
	c.Data = cloneMap(r.Data)
	c.Settings = cloneMap(r.Settings)
	return &c
}

func cloneMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// proxiable reports whether the edge can proxy records of a type.
func proxiable(kind string) bool {
	return kind == "A" || kind == "AAAA" || kind == "CNAME"
}

// hasPriority reports whether the API returns a priority beside the content.
func hasPriority(kind string) bool {
	return kind == "MX" || kind == "URI" || kind == "SRV"
}

// timeFormat is the API's: microseconds, UTC.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// wireRecord is a record in the API's format.
type wireRecord struct {
	ID                string         `json:"id"`
	Name              string         `json:"name"`
	Type              string         `json:"type"`
	Content           string         `json:"content"`
	Priority          *int           `json:"priority,omitempty"`
	Data              map[string]any `json:"data,omitempty"`
	Proxiable         bool           `json:"proxiable"`
	Proxied           bool           `json:"proxied"`
	TTL               int            `json:"ttl"`
	Settings          map[string]any `json:"settings"`
	Meta              map[string]any `json:"meta"`
	Comment           *string        `json:"comment"`
	Tags              []string       `json:"tags"`
	CreatedOn         string         `json:"created_on"`
	ModifiedOn        string         `json:"modified_on"`
	CommentModifiedOn string         `json:"comment_modified_on,omitempty"`
	TagsModifiedOn    string         `json:"tags_modified_on,omitempty"`
}

// MarshalJSON returns the record in the API's format.
func (r *Record) MarshalJSON() ([]byte, error) {
	w := wireRecord{
		ID: r.ID, Name: r.Name, Type: r.Type, Content: r.Content, Data: r.Data,
		Proxiable: proxiable(r.Type), Proxied: r.Proxied, TTL: r.TTL,
		Settings: r.Settings, Meta: map[string]any{}, Tags: r.Tags,
		CreatedOn: timestamp(r.CreatedOn), ModifiedOn: timestamp(r.ModifiedOn),
	}
	if hasPriority(r.Type) {
		w.Priority = &r.Priority
	}
	if w.Settings == nil {
		w.Settings = map[string]any{}
	}
	if w.Tags == nil {
		w.Tags = []string{}
	}
	if r.Comment != "" {
		w.Comment = &r.Comment
		w.CommentModifiedOn = timestamp(r.CommentModifiedOn)
	}
	if len(r.Tags) > 0 {
		w.TagsModifiedOn = timestamp(r.TagsModifiedOn)
	}
	return json.Marshal(w)
}

func timestamp(t time.Time) string { return t.UTC().Format(timeFormat) }

package cfsim

import (
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// recordInput is the body of a record's POST, PUT or PATCH, or one entry of a batch. A
// nil field is absent.
type recordInput struct {
	ID       string          `json:"id"` // of batch entries
	Type     *string         `json:"type"`
	Name     *string         `json:"name"`
	Content  *string         `json:"content"`
	TTL      *float64        `json:"ttl"`
	Proxied  *bool           `json:"proxied"`
	Priority *float64        `json:"priority"`
	Data     map[string]any  `json:"data"`
	Comment  json.RawMessage `json:"comment"` // null clears it
	Tags     *[]string       `json:"tags"`
	Settings map[string]any  `json:"settings"`
}

// inputOf returns the input that makes r.
func inputOf(r *Record) recordInput {
	in := recordInput{Type: &r.Type, Name: &r.Name, Proxied: &r.Proxied, Data: r.Data, Tags: &r.Tags, Settings: r.Settings}
	if r.Content != "" {
		in.Content = &r.Content
	}
	if r.TTL != 0 {
		ttl := float64(r.TTL)
		in.TTL = &ttl
	}
	// A priority in content or data takes precedence.
	if _, named := r.Data["priority"]; r.Type == "MX" || hasPriority(r.Type) && r.Data != nil && !named {
		priority := float64(r.Priority)
		in.Priority = &priority
	}
	if r.Comment != "" {
		in.Comment, _ = json.Marshal(r.Comment) // a string always marshals
	}
	return in
}

// build returns the zone's record that in describes. Absent fields come from base. For a
// PATCH base is the old record; for a PUT, which resets absent fields, it has only the
// id and creation time; for a POST it is empty.
func (z *zone) build(base Record, in recordInput, plan planLimits, now time.Time) (*Record, error) {
	r := base.clone()
	if r.TTL == 0 {
		r.TTL = 1
	}
	if in.Type != nil {
		r.Type = strings.ToUpper(*in.Type)
	}
	if in.Name != nil {
		r.Name = *in.Name
	}
	if in.Proxied != nil {
		r.Proxied = *in.Proxied
	}
	if in.Settings != nil {
		r.Settings = in.Settings
	}
	if !slices.Contains(recordTypes, r.Type) {
		return nil, invalid(codeType, "DNS record type %q is invalid or not supported.", r.Type)
	}
	name, err := z.completeName(r.Name)
	if err != nil {
		return nil, err
	}
	r.Name = name
	if err := r.setContent(in, z.name); err != nil {
		return nil, err
	}
	if r.Proxied && !proxiable(r.Type) {
		return nil, invalidChain(codeNotProxiable, "Invalid proxied mode. Record cannot be proxied.")
	}
	if err := r.setTTL(in.TTL, plan.minTTL); err != nil {
		return nil, err
	}
	if err := r.setComment(in.Comment, plan.comment, now); err != nil {
		return nil, err
	}
	if err := r.setTags(in.Tags, plan.tags, now); err != nil {
		return nil, err
	}
	r.ModifiedOn = now
	if r.CreatedOn.IsZero() {
		r.ID, r.CreatedOn = newID(), now
	}
	return r, nil
}

// setTTL sets and checks the TTL. A proxied record's TTL is always automatic.
func (r *Record) setTTL(ttl *float64, minimum int) error {
	if ttl != nil {
		t := *ttl
		if t != math.Trunc(t) || t != 1 && (t < float64(minimum) || t > 86400) {
			return invalidChain(codeTTL, "Invalid TTL. Must be between %d and 86,400 seconds, or 1 for Automatic.", minimum)
		}
		r.TTL = int(t)
	}
	if r.Proxied {
		r.TTL = 1
	}
	return nil
}

func (r *Record) setComment(raw json.RawMessage, limit int, now time.Time) error {
	if len(raw) == 0 {
		return nil
	}
	var comment *string
	if err := json.Unmarshal(raw, &comment); err != nil {
		return invalid(codeBadBody, "Request body is invalid: comment: %v", err)
	}
	text := ""
	if comment != nil {
		text = *comment
	}
	if strings.ContainsAny(text, "\r\n") {
		return invalid(codeCommentFormat, "DNS record comment must not contain newlines.")
	}
	if utf8.RuneCountInString(text) > limit {
		return invalid(codeCommentLong, "DNS record comment exceeds the maximum length of %d characters.", limit)
	}
	if r.Comment != text {
		r.Comment, r.CommentModifiedOn = text, now
	}
	return nil
}

// tagPattern matches name:value; the name has letters, digits, underscores and hyphens.
var tagPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}:[^\r\n]{0,100}$`)

func (r *Record) setTags(tags *[]string, limit int, now time.Time) error {
	if tags == nil {
		return nil
	}
	if len(*tags) > limit {
		return invalidChain(codeTagQuota, "DNS record has %d tags, exceeding the quota of %d.", len(*tags), limit)
	}
	for _, tag := range *tags {
		if !tagPattern.MatchString(tag) {
			return invalidChain(codeTagFormat, "DNS record tag %q is invalid: it must be name:value.", tag)
		}
	}
	if !slices.Equal(r.Tags, *tags) {
		r.Tags, r.TagsModifiedOn = slices.Clone(*tags), now
	}
	return nil
}

// checkRequired refuses a POST or PUT that lacks a field without a default.
func (in recordInput) checkRequired() error {
	switch {
	case in.Type == nil:
		return refusal(http.StatusBadRequest, codeType, "DNS record type is required.")
	case in.Name == nil:
		return refusal(http.StatusBadRequest, codeName, "DNS name is required.")
	case in.Content == nil && in.Data == nil:
		return refusal(http.StatusBadRequest, codeContentOther, "DNS record content is required.")
	default:
		return nil
	}
}

package cfsim

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// changeZone runs fn in a transaction on the zone of a call. An error rolls it back.
func (s *Sim) changeZone(c *call, fn func(z *zone, t *tx) (any, error)) (answer, error) {
	now := s.options.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	z, err := s.zone(c)
	if err != nil {
		return answer{}, err
	}
	t := begin(z)
	result, err := fn(z, t)
	if err != nil {
		t.rollback()
		return answer{}, err
	}
	t.commit(now, func() time.Time { return s.visibleAt(now) })
	return answer{result: result}, nil
}

// post, put and patch are the actions of single requests and of batches.

func (s *Sim) post(t *tx, in recordInput) (*Record, error) {
	if err := in.checkRequired(); err != nil {
		return nil, err
	}
	r, err := t.z.build(Record{}, in, s.plan, s.options.Now())
	if err != nil {
		return nil, err
	}
	return r, t.put(r)
}

func (s *Sim) put(t *tx, id string, in recordInput) (*Record, error) {
	old := t.z.records[id]
	if old == nil {
		return nil, errNoRecord()
	}
	if err := in.checkRequired(); err != nil {
		return nil, err
	}
	r, err := t.z.build(Record{ID: old.ID, CreatedOn: old.CreatedOn}, in, s.plan, s.options.Now())
	if err != nil {
		return nil, err
	}
	return r, t.put(r)
}

func (s *Sim) patch(t *tx, id string, in recordInput) (*Record, error) {
	old := t.z.records[id]
	if old == nil {
		return nil, errNoRecord()
	}
	r, err := t.z.build(*old, in, s.plan, s.options.Now())
	if err != nil {
		return nil, err
	}
	return r, t.put(r)
}

func (s *Sim) createRecord(c *call) (answer, error) {
	var in recordInput
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	return s.changeZone(c, func(_ *zone, t *tx) (any, error) { return s.post(t, in) })
}

func (s *Sim) replaceRecord(c *call) (answer, error) {
	var in recordInput
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	return s.changeZone(c, func(_ *zone, t *tx) (any, error) { return s.put(t, c.pathIDs[1], in) })
}

func (s *Sim) patchRecord(c *call) (answer, error) {
	var in recordInput
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	return s.changeZone(c, func(_ *zone, t *tx) (any, error) { return s.patch(t, c.pathIDs[1], in) })
}

func (s *Sim) deleteRecord(c *call) (answer, error) {
	return s.changeZone(c, func(_ *zone, t *tx) (any, error) {
		r, err := t.remove(c.pathIDs[1])
		if err != nil {
			return nil, err
		}
		return map[string]string{"id": r.ID}, nil
	})
}

func (s *Sim) getRecord(c *call) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	z, err := s.zone(c)
	if err != nil {
		return answer{}, err
	}
	r := z.records[c.pathIDs[1]]
	if r == nil {
		return answer{}, errNoRecord()
	}
	return answer{result: r}, nil
}

// recordUsage answers with the number of records. The simulator has no quota, which the
// API shows as null.
func (s *Sim) recordUsage(c *call) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	z, err := s.zone(c)
	if err != nil {
		return answer{}, err
	}
	return answer{result: map[string]any{"record_usage": len(z.records), "record_quota": nil}}, nil
}

func (s *Sim) listRecords(c *call) (answer, error) {
	q := c.URL.Query()
	page, err := readPaging(q, 100, 1, 5_000_000)
	if err != nil {
		return answer{}, err
	}
	matches, err := recordFilter(q)
	if err != nil {
		return answer{}, err
	}
	less, err := recordOrder(q)
	if err != nil {
		return answer{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	z, err := s.zone(c)
	if err != nil {
		return answer{}, err
	}
	found := make([]*Record, 0, len(z.records))
	for _, r := range z.records {
		if matches(r) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, less)
	shown, info := paginate(found, page)
	return answer{result: shown, info: info}, nil
}

// recordFilter parses the filters of a record list.
func recordFilter(q url.Values) (func(*Record) bool, error) {
	match, err := enumParameter(q, "match", "all", "any")
	if err != nil {
		return nil, err
	}
	tagMatch, err := enumParameter(q, "tag_match", "all", "any")
	if err != nil {
		return nil, err
	}
	if kind := q.Get("type"); kind != "" && !slices.Contains(recordTypes, kind) {
		return nil, badParameter("type")
	}
	proxied, err := strconv.ParseBool(cmp.Or(q.Get("proxied"), "false"))
	if err != nil {
		return nil, badParameter("proxied")
	}
	return func(r *Record) bool {
		tests := textConditions(q, "name", r.Name)
		tests = append(tests, textConditions(q, "content", r.Content)...)
		tests = append(tests, textConditions(q, "comment", r.Comment)...)
		if q.Has("type") {
			tests = append(tests, r.Type == q.Get("type"))
		}
		if q.Has("proxied") {
			tests = append(tests, r.Proxied == proxied)
		}
		if tags := tagConditions(q, r.Tags); len(tags) > 0 {
			tests = append(tests, allOrAny(tags, tagMatch == "any"))
		}
		return allOrAny(tests, match == "any") && matchesSearch(q.Get("search"), r)
	}, nil
}

func matchesSearch(text string, r *Record) bool {
	all := strings.ToLower(strings.Join(append([]string{r.Name, r.Type, r.Content, r.Comment}, r.Tags...), "\n"))
	return strings.Contains(all, strings.ToLower(text))
}

// recordOrder parses the order of a record list. Name, type, content and id decide ties,
// so that pages never overlap.
func recordOrder(q url.Values) (func(a, b *Record) int, error) {
	order, err := enumParameter(q, "order", "type", "name", "content", "ttl", "proxied")
	if err != nil {
		return nil, err
	}
	direction, err := enumParameter(q, "direction", "asc", "desc")
	if err != nil {
		return nil, err
	}
	by := map[string]func(a, b *Record) int{
		"type":    func(a, b *Record) int { return cmp.Compare(a.Type, b.Type) },
		"name":    func(a, b *Record) int { return cmp.Compare(a.Name, b.Name) },
		"content": func(a, b *Record) int { return cmp.Compare(a.Content, b.Content) },
		"ttl":     func(a, b *Record) int { return cmp.Compare(a.TTL, b.TTL) },
		"proxied": func(a, b *Record) int { return cmp.Compare(boolRank(a.Proxied), boolRank(b.Proxied)) },
	}
	sign := 1
	if direction == "desc" {
		sign = -1
	}
	return func(a, b *Record) int {
		return cmp.Or(sign*by[order](a, b), by["name"](a, b), by["type"](a, b), by["content"](a, b), cmp.Compare(a.ID, b.ID))
	}, nil
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

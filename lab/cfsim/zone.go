package cfsim

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// zone is one zone: the API's records, and the view that the edge and DNS have of them.
type zone struct {
	id, name    string
	status      string // active or pending
	nameServers []string
	createdOn   time.Time
	modifiedOn  time.Time
	records     map[string]*Record            // by id
	byName      map[string]map[string]*Record // by name and id
	serial      uint32                        // of the SOA, incremented by every transaction
	view        view
}

// zonePattern matches the names that the API accepts for a zone.
var zonePattern = regexp.MustCompile(`^([a-z0-9][-a-z0-9]*\.)+[-a-z0-9]{2,20}$`)

// newZone returns a zone without records.
func newZone(name, status string, now time.Time) *zone {
	return &zone{
		id: newID(), name: name, status: status, createdOn: now, modifiedOn: now,
		nameServers: []string{"ada.ns.cloudflare.com", "bob.ns.cloudflare.com"},
		records:     map[string]*Record{},
		byName:      map[string]map[string]*Record{},
		serial:      2400000000,
		view:        newView(),
	}
}

// AddZone adds an active zone with records, all visible at the edge and in DNS at once,
// and returns its id. If the zone exists or a record breaks the API's rules, it returns
// an error and adds nothing.
func (s *Sim) AddZone(name string, records ...Record) (string, error) {
	name = strings.ToLower(name)
	if !zonePattern.MatchString(name) {
		return "", fmt.Errorf("add zone %q: not a domain name", name)
	}
	now := s.options.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[name] != nil {
		return "", fmt.Errorf("add zone %s: it exists", name)
	}
	z := newZone(name, "active", now)
	t := begin(z)
	for i := range records {
		r, err := z.build(Record{}, inputOf(&records[i]), s.plan, now)
		if err == nil {
			err = t.put(r)
		}
		if err != nil {
			return "", fmt.Errorf("add zone %s: record %s %s: %w", name, records[i].Type, records[i].Name, err)
		}
	}
	t.commit(now, func() time.Time { return now })
	s.zones[z.id], s.byName[name] = z, z
	return z.id, nil
}

// Activate makes a pending zone active, as its delegation to the zone's name servers
// would. It reports whether the zone exists.
func (s *Sim) Activate(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.byName[strings.ToLower(name)]
	if z != nil {
		z.status = "active"
	}
	return z != nil
}

// Records returns the API's records of a zone, ordered by name, type and content; nil if
// there is no such zone.
func (s *Sim) Records(zoneName string) []Record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	z := s.byName[strings.ToLower(zoneName)]
	if z == nil {
		return nil
	}
	out := make([]Record, 0, len(z.records))
	for _, r := range z.records {
		out = append(out, *r.clone())
	}
	slices.SortFunc(out, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Content, b.Content))
	})
	return out
}

// zone returns the zone of a call. The caller holds s.mu.
func (s *Sim) zone(c *call) (*zone, error) {
	if z := s.zones[c.pathIDs[0]]; z != nil {
		return z, nil
	}
	return nil, errNoRoute(c.path)
}

// wireZone returns a zone in the API's format.
func (s *Sim) wireZone(z *zone) map[string]any {
	var activated *string
	if z.status == "active" {
		at := timestamp(z.createdOn)
		activated = &at
	}
	account := map[string]any{"id": s.accountID, "name": accountName}
	return map[string]any{
		"id": z.id, "name": z.name, "status": z.status, "paused": false, "type": "full",
		"development_mode": 0, "name_servers": z.nameServers,
		"original_name_servers": nil, "original_registrar": nil, "original_dnshost": nil,
		"created_on": timestamp(z.createdOn), "modified_on": timestamp(z.modifiedOn), "activated_on": activated,
		"meta":    map[string]any{"step": 2, "custom_certificate_quota": 0, "page_rule_quota": 3, "phishing_detected": false},
		"owner":   map[string]any{"id": s.accountID, "name": accountName, "type": "organization"},
		"account": account,
		"plan": map[string]any{
			"id": s.accountID, "name": strings.ToUpper(string(s.options.Plan[:1])) + string(s.options.Plan[1:]) + " Website",
			"legacy_id": string(s.options.Plan), "currency": "USD", "price": 0, "frequency": "", "is_subscribed": true,
			"can_subscribe": false, "legacy_discount": false, "externally_managed": false,
		},
	}
}

func (s *Sim) getZone(c *call) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	z, err := s.zone(c)
	if err != nil {
		return answer{}, err
	}
	return answer{result: s.wireZone(z)}, nil
}

func (s *Sim) createZone(c *call) (answer, error) {
	var in struct {
		Name    string `json:"name"`
		Account struct {
			ID string `json:"id"`
		} `json:"account"`
	}
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	name := strings.ToLower(strings.TrimSuffix(in.Name, "."))
	if !zonePattern.MatchString(name) || len(name) > 253 {
		return answer{}, invalid(codeZoneName, "%q is not a valid domain name.", in.Name)
	}
	if in.Account.ID != s.accountID {
		return answer{}, errAuthentication()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[name] != nil {
		return answer{}, invalid(codeZoneExists, "%s already exists", name)
	}
	z := newZone(name, "pending", s.options.Now())
	s.zones[z.id], s.byName[name] = z, z
	return answer{result: s.wireZone(z)}, nil
}

func (s *Sim) deleteZone(c *call) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z, err := s.zone(c)
	if err != nil {
		return answer{}, err
	}
	delete(s.zones, z.id)
	delete(s.byName, z.name)
	return answer{result: map[string]string{"id": z.id}}, nil
}

func (s *Sim) listZones(c *call) (answer, error) {
	q := c.URL.Query()
	page, err := readPaging(q, 20, 5, 50)
	if err != nil {
		return answer{}, err
	}
	order, err := enumParameter(q, "order", "name", "status", "account.id", "account.name")
	if err != nil {
		return answer{}, err
	}
	direction, err := enumParameter(q, "direction", "asc", "desc")
	if err != nil {
		return answer{}, err
	}
	match, err := enumParameter(q, "match", "all", "any")
	if err != nil {
		return answer{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*zone
	for _, z := range s.zones {
		var tests []bool
		for key, value := range map[string]string{"name": z.name, "account.name": accountName} {
			if q.Has(key) {
				tests = append(tests, matchesFilter(q.Get(key), value))
			}
		}
		for key, value := range map[string]string{"status": z.status, "account.id": s.accountID} {
			if q.Has(key) {
				tests = append(tests, q.Get(key) == value)
			}
		}
		if q.Has("type") {
			tests = append(tests, slices.Contains(strings.Split(q.Get("type"), ","), "full"))
		}
		if allOrAny(tests, match == "any") {
			found = append(found, z)
		}
	}
	slices.SortFunc(found, func(a, b *zone) int {
		n := cmp.Compare(a.name, b.name)
		if order == "status" {
			n = cmp.Or(cmp.Compare(a.status, b.status), n)
		}
		if direction == "desc" {
			n = -n
		}
		return n
	})
	shown, info := paginate(found, page)
	result := make([]any, len(shown))
	for i, z := range shown {
		result[i] = s.wireZone(z)
	}
	return answer{result: result, info: info}, nil
}

// matchesFilter applies a filter of the zone list, e.g. "starts_with:exa". Without an
// operator it compares for equality.
func matchesFilter(filter, value string) bool {
	operator, operand, ok := strings.Cut(filter, ":")
	if !ok {
		return strings.EqualFold(filter, value)
	}
	if plain, sensitive := strings.CutSuffix(operator, "_case_sensitive"); sensitive {
		operator = plain
	} else {
		operand, value = strings.ToLower(operand), strings.ToLower(value)
	}
	switch operator {
	case "equal":
		return operand == value
	case "not_equal":
		return operand != value
	case "starts_with":
		return strings.HasPrefix(value, operand)
	case "ends_with":
		return strings.HasSuffix(value, operand)
	case "contains":
		return strings.Contains(value, operand)
	default:
		return false
	}
}

func badParameter(name string) error {
	return refusal(http.StatusBadRequest, codeBadParameter, "Invalid value of the query parameter %q.", name)
}

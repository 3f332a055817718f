package dosim

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"
)

var firewallNamePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.\-]+$`)

// firewallBody is the body of all requests about firewalls; each uses some fields.
type firewallBody struct {
	Name       string         `json:"name"`
	DropletIDs []int          `json:"droplet_ids"`
	Tags       []string       `json:"tags"`
	Inbound    []inboundRule  `json:"inbound_rules"`
	Outbound   []outboundRule `json:"outbound_rules"`
}

func (s *Sim) listFirewalls(r *http.Request) (int, any, error) {
	return page(r, "firewalls", s.firewallViews(func(*firewall) bool { return true }))
}

func (s *Sim) listDropletFirewalls(r *http.Request) (int, any, error) {
	d, err := s.dropletAt(r)
	if err != nil {
		return 0, nil, err
	}
	return page(r, "firewalls", s.firewallViews(func(f *firewall) bool { return f.appliesTo(d) }))
}

func (s *Sim) firewallViews(match func(*firewall) bool) []firewallView {
	all := sortedValues(s.firewalls)
	slices.SortFunc(all, func(a, b *firewall) int { return a.order - b.order })
	var out []firewallView
	for _, f := range all {
		if match(f) {
			out = append(out, s.firewallView(f))
		}
	}
	return out
}

// readFirewall decodes and checks a request. self is the firewall that it changes, nil
// for a new one.
func (s *Sim) readFirewall(r *http.Request, self *firewall) (firewallBody, error) {
	var in firewallBody
	if err := decode(r, &in); err != nil {
		return in, err
	}
	in.normalize()
	if !firewallNamePattern.MatchString(in.Name) {
		return in, unprocessable("invalid firewall name")
	}
	for _, f := range s.firewalls {
		if f.Name == in.Name && f != self {
			return in, &apiError{status: http.StatusConflict, id: "conflict", message: "duplicate name"}
		}
	}
	if len(in.Inbound)+len(in.Outbound) == 0 {
		return in, unprocessable("at least one inbound or outbound rule is required")
	}
	return in, s.checkReferences(in)
}

// checkReferences checks the droplets, tags and rules of a request.
func (s *Sim) checkReferences(in firewallBody) error {
	for _, id := range in.DropletIDs {
		if s.droplets[id] == nil {
			return unprocessable("droplet %d was not found", id)
		}
	}
	if err := s.checkTags(in.Tags); err != nil {
		return err
	}
	return s.checkRules(in.Inbound, in.Outbound)
}

func (s *Sim) createFirewall(r *http.Request) (int, any, error) {
	in, err := s.readFirewall(r, nil)
	if err != nil {
		return 0, nil, err
	}
	f := &firewall{
		ID: newUUID(), Name: in.Name, CreatedAt: timestamp(s.options.Now()), order: s.nextID(), removing: map[int]bool{},
		DropletIDs: union(nil, in.DropletIDs), Tags: union(nil, in.Tags), Inbound: in.Inbound, Outbound: in.Outbound,
	}
	s.firewalls[f.ID] = f
	view := s.firewallView(f)
	s.enforceChangedRules()
	return object(http.StatusAccepted, "firewall", view)
}

func (s *Sim) firewallAt(r *http.Request) (*firewall, error) {
	if f := s.firewalls[r.PathValue("id")]; f != nil {
		return f, nil
	}
	return nil, notFound()
}

func (s *Sim) getFirewall(r *http.Request) (int, any, error) {
	f, err := s.firewallAt(r)
	if err != nil {
		return 0, nil, err
	}
	return object(http.StatusOK, "firewall", s.firewallView(f))
}

// replaceFirewall resets what the request does not name.
func (s *Sim) replaceFirewall(r *http.Request) (int, any, error) {
	f, err := s.firewallAt(r)
	if err != nil {
		return 0, nil, err
	}
	in, err := s.readFirewall(r, f)
	if err != nil {
		return 0, nil, err
	}
	s.applyChange(f, func() {
		f.Name, f.Inbound, f.Outbound = in.Name, in.Inbound, in.Outbound
		f.DropletIDs, f.Tags = union(nil, in.DropletIDs), union(nil, in.Tags)
	})
	return object(http.StatusOK, "firewall", s.firewallView(f))
}

func (s *Sim) deleteFirewall(r *http.Request) (int, any, error) {
	f, err := s.firewallAt(r)
	if err != nil {
		return 0, nil, err
	}
	delete(s.firewalls, f.ID)
	s.enforceChangedRules()
	return noContent()
}

// applyChange alters f, remembers the droplets that it no longer applies to, and
// enforces the new rules.
func (s *Sim) applyChange(f *firewall, alter func()) {
	before := map[int]bool{}
	for id, d := range s.droplets {
		before[id] = f.appliesTo(d)
	}
	alter()
	for id, d := range s.droplets {
		if before[id] && !f.appliesTo(d) {
			f.removing[id] = true
		}
	}
	s.enforceChangedRules()
}

// alterFirewall handles a request that adds to or removes from one list of a firewall.
func (s *Sim) alterFirewall(r *http.Request, check bool, alter func(*firewall, firewallBody)) (int, any, error) {
	f, err := s.firewallAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in firewallBody
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	in.normalize()
	if err := s.checkReferences(in); err != nil && check {
		return 0, nil, err
	}
	s.applyChange(f, func() { alter(f, in) })
	return noContent()
}

func (s *Sim) attachDroplets(r *http.Request) (int, any, error) {
	return s.alterFirewall(r, true, func(f *firewall, in firewallBody) { f.DropletIDs = union(f.DropletIDs, in.DropletIDs) })
}

func (s *Sim) detachDroplets(r *http.Request) (int, any, error) {
	return s.alterFirewall(r, false, func(f *firewall, in firewallBody) { f.DropletIDs = minus(f.DropletIDs, in.DropletIDs) })
}

func (s *Sim) attachTags(r *http.Request) (int, any, error) {
	return s.alterFirewall(r, true, func(f *firewall, in firewallBody) { f.Tags = union(f.Tags, in.Tags) })
}

func (s *Sim) detachTags(r *http.Request) (int, any, error) {
	return s.alterFirewall(r, false, func(f *firewall, in firewallBody) { f.Tags = minus(f.Tags, in.Tags) })
}

func (s *Sim) addRules(r *http.Request) (int, any, error) {
	return s.alterFirewall(r, true, func(f *firewall, in firewallBody) {
		f.Inbound, f.Outbound = union(f.Inbound, in.Inbound), union(f.Outbound, in.Outbound)
	})
}

func (s *Sim) removeRules(r *http.Request) (int, any, error) {
	return s.alterFirewall(r, false, func(f *firewall, in firewallBody) {
		f.Inbound, f.Outbound = minus(f.Inbound, in.Inbound), minus(f.Outbound, in.Outbound)
	})
}

// union returns a new list: a, followed by the values of b that it lacks.
func union[T any](a, b []T) []T {
	out := slices.Clone(a)
	for _, value := range b {
		if !containsEqual(out, value) {
			out = append(out, value)
		}
	}
	return out
}

// minus returns a new list: a without the values of b.
func minus[T any](a, b []T) []T {
	return slices.DeleteFunc(slices.Clone(a), func(value T) bool { return containsEqual(b, value) })
}

func containsEqual[T any](list []T, value T) bool {
	return slices.ContainsFunc(list, func(other T) bool { return reflect.DeepEqual(other, value) })
}

package dosim

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"
)

var firewallName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.\-]+$`)

// firewallBody is what requests about firewalls carry; each uses a part of it.
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
	all := sortedValues(s.walls)
	slices.SortFunc(all, func(a, b *firewall) int { return a.order - b.order })
	var out []firewallView
	for _, f := range all {
		if match(f) {
			out = append(out, s.firewallView(f))
		}
	}
	return out
}

// readFirewall decodes and checks a request; self is the firewall it changes.
func (s *Sim) readFirewall(r *http.Request, self *firewall) (firewallBody, error) {
	var in firewallBody
	if err := decode(r, &in); err != nil {
		return in, err
	}
	in.normal()
	if !firewallName.MatchString(in.Name) {
		return in, unprocessable("invalid firewall name")
	}
	for _, f := range s.walls {
		if f.Name == in.Name && f != self {
			return in, &apiError{status: http.StatusConflict, id: "conflict", message: "duplicate name"}
		}
	}
	if len(in.Inbound)+len(in.Outbound) == 0 {
		return in, unprocessable("at least one inbound or outbound rule is required")
	}
	return in, s.checkParts(in)
}

// checkParts checks what a request names.
func (s *Sim) checkParts(in firewallBody) error {
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
		ID: newUUID(), Name: in.Name, CreatedAt: stamp(s.opts.Now()), order: s.nextID(), removing: map[int]bool{},
		DropletIDs: union(nil, in.DropletIDs), Tags: union(nil, in.Tags), Inbound: in.Inbound, Outbound: in.Outbound,
	}
	s.walls[f.ID] = f
	view := s.firewallView(f)
	s.enforceChanges()
	return one(http.StatusAccepted, "firewall", view)
}

func (s *Sim) firewallAt(r *http.Request) (*firewall, error) {
	if f := s.walls[r.PathValue("id")]; f != nil {
		return f, nil
	}
	return nil, notFound()
}

func (s *Sim) getFirewall(r *http.Request) (int, any, error) {
	f, err := s.firewallAt(r)
	if err != nil {
		return 0, nil, err
	}
	return one(http.StatusOK, "firewall", s.firewallView(f))
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
	s.change(f, func() {
		f.Name, f.Inbound, f.Outbound = in.Name, in.Inbound, in.Outbound
		f.DropletIDs, f.Tags = union(nil, in.DropletIDs), union(nil, in.Tags)
	})
	return one(http.StatusOK, "firewall", s.firewallView(f))
}

func (s *Sim) deleteFirewall(r *http.Request) (int, any, error) {
	f, err := s.firewallAt(r)
	if err != nil {
		return 0, nil, err
	}
	delete(s.walls, f.ID)
	s.enforceChanges()
	return done()
}

// change alters f, remembers which droplets left it, and has the machines follow.
func (s *Sim) change(f *firewall, alter func()) {
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
	s.enforceChanges()
}

// part handles a request that adds to or takes from one part of a firewall.
func (s *Sim) part(r *http.Request, check bool, alter func(*firewall, firewallBody)) (int, any, error) {
	f, err := s.firewallAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in firewallBody
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	in.normal()
	if err := s.checkParts(in); err != nil && check {
		return 0, nil, err
	}
	s.change(f, func() { alter(f, in) })
	return done()
}

func (s *Sim) attachDroplets(r *http.Request) (int, any, error) {
	return s.part(r, true, func(f *firewall, in firewallBody) { f.DropletIDs = union(f.DropletIDs, in.DropletIDs) })
}

func (s *Sim) detachDroplets(r *http.Request) (int, any, error) {
	return s.part(r, false, func(f *firewall, in firewallBody) { f.DropletIDs = minus(f.DropletIDs, in.DropletIDs) })
}

func (s *Sim) attachTags(r *http.Request) (int, any, error) {
	return s.part(r, true, func(f *firewall, in firewallBody) { f.Tags = union(f.Tags, in.Tags) })
}

func (s *Sim) detachTags(r *http.Request) (int, any, error) {
	return s.part(r, false, func(f *firewall, in firewallBody) { f.Tags = minus(f.Tags, in.Tags) })
}

func (s *Sim) addRules(r *http.Request) (int, any, error) {
	return s.part(r, true, func(f *firewall, in firewallBody) {
		f.Inbound, f.Outbound = union(f.Inbound, in.Inbound), union(f.Outbound, in.Outbound)
	})
}

func (s *Sim) removeRules(r *http.Request) (int, any, error) {
	return s.part(r, false, func(f *firewall, in firewallBody) {
		f.Inbound, f.Outbound = minus(f.Inbound, in.Inbound), minus(f.Outbound, in.Outbound)
	})
}

// union returns a new list: a, then what of b is not in it yet.
func union[T any](a, b []T) []T {
	out := slices.Clone(a)
	for _, one := range b {
		if !has(out, one) {
			out = append(out, one)
		}
	}
	return out
}

// minus returns a new list: a less what is in b.
func minus[T any](a, b []T) []T {
	return slices.DeleteFunc(slices.Clone(a), func(one T) bool { return has(b, one) })
}

func has[T any](list []T, value T) bool {
	return slices.ContainsFunc(list, func(one T) bool { return reflect.DeepEqual(one, value) })
}

package dosim

import (
	"net/http"
	"slices"
	"strconv"
)

// Statuses of an action.
const (
	actionInProgress = "in-progress"
	actionCompleted  = "completed"
	actionErrored    = "errored"
)

type action struct {
	ID           int     `json:"id"`
	Status       string  `json:"status"`
	Type         string  `json:"type"`
	StartedAt    string  `json:"started_at"`
	CompletedAt  *string `json:"completed_at"`
	ResourceID   int     `json:"resource_id"`
	ResourceType string  `json:"resource_type"`
	Region       *Region `json:"region"`
	RegionSlug   string  `json:"region_slug"`

	reserved string // the address, for an action on a reserved IP
}

type actionLink struct {
	ID   int    `json:"id"`
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

func (a *action) link(r *http.Request, rel string) actionLink {
	return actionLink{a.ID, rel, "http://" + r.Host + "/v2/actions/" + strconv.Itoa(a.ID)}
}

// begin starts an action, which is pending on the droplet until finish.
func (s *Sim) begin(d *droplet, kind string) *action {
	a := &action{
		ID: s.nextID(), Status: actionInProgress, Type: kind, StartedAt: stamp(s.opts.Now()),
		ResourceID: d.id, ResourceType: "droplet", Region: d.region, RegionSlug: d.region.Slug,
	}
	s.actions[a.ID] = a
	d.pending = a
	return a
}

func (s *Sim) finish(d *droplet, a *action, err error) {
	at := stamp(s.opts.Now())
	a.CompletedAt, a.Status = &at, actionCompleted
	if err != nil {
		a.Status = actionErrored
	}
	if d.pending == a {
		d.pending = nil
	}
}

// newestFirst are the actions that match, in the vendor's order.
func (s *Sim) newestFirst(match func(*action) bool) []*action {
	out := slices.DeleteFunc(sortedValues(s.actions), func(a *action) bool { return !match(a) })
	slices.Reverse(out)
	return out
}

func (s *Sim) listActions(r *http.Request) (int, any, error) {
	return page(r, "actions", s.newestFirst(func(*action) bool { return true }))
}

func (s *Sim) getAction(r *http.Request) (int, any, error) {
	a := s.actions[idOf(r, "action")]
	if a == nil {
		return 0, nil, notFound()
	}
	return one(http.StatusOK, "action", a)
}

func (s *Sim) listDropletActions(r *http.Request) (int, any, error) {
	d, err := s.dropletAt(r)
	if err != nil {
		return 0, nil, err
	}
	return page(r, "actions", s.newestFirst(func(a *action) bool { return a.ResourceType == "droplet" && a.ResourceID == d.id }))
}

func (s *Sim) getDropletAction(r *http.Request) (int, any, error) {
	d, err := s.dropletAt(r)
	if err != nil {
		return 0, nil, err
	}
	a := s.actions[idOf(r, "action")]
	if a == nil || a.ResourceType != "droplet" || a.ResourceID != d.id {
		return 0, nil, notFound()
	}
	return one(http.StatusOK, "action", a)
}

type dropletAction struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

func (s *Sim) createDropletAction(r *http.Request) (int, any, error) {
	d, err := s.dropletAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in dropletAction
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if err := s.mayAct(d, in); err != nil {
		return 0, nil, err
	}
	return one(http.StatusCreated, "action", s.act(d, in))
}

func (s *Sim) createActionsByTag(r *http.Request) (int, any, error) {
	var in dropletAction
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	name := r.URL.Query().Get("tag_name")
	if s.tags[name] == nil {
		return 0, nil, notFound()
	}
	var found []*droplet
	for _, d := range sortedValues(s.droplets) {
		if !slices.Contains(d.tags, name) {
			continue
		}
		if err := s.mayAct(d, in); err != nil {
			return 0, nil, err
		}
		found = append(found, d)
	}
	out := []*action{}
	for _, d := range found {
		out = append(out, s.act(d, in))
	}
	return one(http.StatusCreated, "actions", out)
}

// mayAct says why an action is refused. What changes a machine in ways that a
// lab host cannot follow (resize, rebuild, snapshots, …) is refused too.
func (s *Sim) mayAct(d *droplet, in dropletAction) error {
	switch in.Type {
	case "power_off", "power_on", "shutdown", "reboot", "power_cycle":
	case "rename":
		if len(in.Name) > 255 || !dropletName.MatchString(in.Name) {
			return unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
		}
	default:
		return unprocessable("The action %q is not available for this Droplet.", in.Type)
	}
	if d.pending != nil {
		return errPending()
	}
	return nil
}

func (s *Sim) act(d *droplet, in dropletAction) *action {
	a := s.begin(d, in.Type)
	shown := *a // as it is now; it may be done before the answer is written
	if in.Type == "rename" {
		d.name = in.Name
		s.finish(d, a, nil)
		return &shown
	}
	s.switchPower(d, a)
	return &shown
}

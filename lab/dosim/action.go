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
	Region       *region `json:"region"`
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

// beginAction starts an action, which is pending on the droplet until finishAction.
func (s *Sim) beginAction(d *droplet, kind string) *action {
	a := &action{
		ID: s.nextID(), Status: actionInProgress, Type: kind, StartedAt: timestamp(s.options.Now()),
		ResourceID: d.id, ResourceType: "droplet", Region: d.region, RegionSlug: d.region.Slug,
	}
	s.actions[a.ID] = a
	d.pending = a
	return a
}

func (s *Sim) finishAction(d *droplet, a *action, err error) {
	at := timestamp(s.options.Now())
	a.CompletedAt, a.Status = &at, actionCompleted
	if err != nil {
		a.Status = actionErrored
	}
	if d.pending == a {
		d.pending = nil
	}
}

// newestFirst returns the actions that match, in the vendor's order.
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
	return object(http.StatusOK, "action", a)
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
	return object(http.StatusOK, "action", a)
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
	if err := s.checkAction(d, in); err != nil {
		return 0, nil, err
	}
	return object(http.StatusCreated, "action", s.startAction(d, in))
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
		if err := s.checkAction(d, in); err != nil {
			return 0, nil, err
		}
		found = append(found, d)
	}
	out := []*action{}
	for _, d := range found {
		out = append(out, s.startAction(d, in))
	}
	return object(http.StatusCreated, "actions", out)
}

// checkAction returns the reason why an action is refused. Actions that a lab host
// cannot perform (resize, rebuild, snapshots, …) are refused, too.
func (s *Sim) checkAction(d *droplet, in dropletAction) error {
	switch in.Type {
	case "power_off", "power_on", "shutdown", "reboot", "power_cycle":
	case "rename":
		if len(in.Name) > 255 || !dropletNamePattern.MatchString(in.Name) {
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

func (s *Sim) startAction(d *droplet, in dropletAction) *action {
	a := s.beginAction(d, in.Type)
	shown := *a // a copy, because the action may finish before the answer is written
	if in.Type == "rename" {
		d.name = in.Name
		s.finishAction(d, a, nil)
		return &shown
	}
	s.switchPowerInBackground(d, a)
	return &shown
}

package dosim

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/dcmigrate/migrate/wait"
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
	volume   string // the id, for an action on a volume
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
	if d != nil && d.pending == a {
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

// finishLater runs work after the simulator's delay, and ends the action. The work's
// error makes it errored. The caller holds s.mu.
func (s *Sim) finishLater(a *action, d *droplet, work func() error) {
	s.runInBackground(func(ctx context.Context) {
		err := wait.For(ctx, s.options.ActionDelay)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err == nil {
			err = work()
		}
		s.finishAction(d, a, err)
	})
}

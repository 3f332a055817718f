package move

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication/conflict"
	"github.com/dcmigrate/migrate/replication/lead"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/status"
	"github.com/dcmigrate/migrate/replication/verify"
)

// Status is where the move stands.
type Status struct {
	Site     string          `json:"site"`
	ID       string          `json:"id"`
	Position verb.Position   `json:"position"`
	Holder   *plan.Holder    `json:"running,omitempty"` // who is running a verb
	Hosts    []HostStatus    `json:"hosts"`
	Pairs    []status.Pair   `json:"pairs,omitempty"` // once the targets exist
	Seeds    []control.State `json:"seeds,omitempty"` // that are running
	Verified []verify.Report `json:"verified,omitempty"`
	// Conflicts are the reports of switches by way dual.
	Conflicts []conflict.Report `json:"conflicts,omitempty"`
	// Elsewhere says which other controller leads; "" is none that is known.
	Elsewhere string      `json:"elsewhere,omitempty"`
	Last      *plan.Event `json:"last_event,omitempty"`
	At        time.Time   `json:"at"`
}

// HostStatus is a host and its clone.
type HostStatus struct {
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new,omitempty"`
}

// Status reads where the move stands. It takes no lock, so it works while a verb runs.
func (m *Move) Status(ctx context.Context) (Status, error) {
	events, err := m.site.State.Events()
	if err != nil {
		return Status{}, err
	}
	h := plan.Fold(events)
	s := Status{Site: m.site.Config.Site, ID: m.site.Config.ID, Position: verb.PositionOf(h), At: time.Now().UTC()}
	if len(events) > 0 {
		s.Last = &events[len(events)-1]
	}
	if holder, ok := m.site.State.Holder(); ok {
		s.Holder = &holder
	}
	provisioned := true
	for _, host := range m.site.Config.Hosts {
		hs := HostStatus{Name: host.Name, Old: host.Address.String()}
		if t, err := m.site.Directory.Lookup(host.Name); err == nil {
			hs.New = t.Public.String()
		} else {
			provisioned = false
		}
		s.Hosts = append(s.Hosts, hs)
	}
	for _, p := range m.site.Pairs {
		r, ok, err := state.Verifies{Folder: m.site.State}.Saved(p.Name)
		if err != nil {
			return s, err
		}
		if ok {
			s.Verified = append(s.Verified, r)
		}
		found, err := state.Conflicts{Folder: m.site.State}.Reports(ctx, p.Name)
		if err != nil {
			return s, err
		}
		s.Conflicts = append(s.Conflicts, found...)
	}
	if provisioned && s.Position == verb.Applying {
		s.Seeds, _ = m.Seeds.running(ctx) // a target that does not answer is shown below
	}
	if provisioned && s.Position != verb.Finished {
		var other *lead.OtherError
		if errors.As(leadership{m.site}.check(ctx), &other) {
			s.Elsewhere = other.Error()
		}
		s.Pairs = make([]status.Pair, len(m.site.Pairs))
		var g errgroup.Group
		for i, p := range m.site.Pairs {
			g.Go(func() error { s.Pairs[i] = m.plans.Needs().Read(ctx, p); return nil })
		}
		_ = g.Wait() // no error: the status says which side does not answer
	}
	return s, nil
}

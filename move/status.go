package move

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// Status is where the move stands.
type Status struct {
	Site     string                     `json:"site"`
	ID       string                     `json:"id"`
	Position verb.Position              `json:"position"`
	Holder   *plan.Holder               `json:"running,omitempty"` // who runs a verb now
	Hosts    []HostStatus               `json:"hosts"`
	Pairs    []replication.PairStatus   `json:"pairs,omitempty"` // once the targets are there
	Seeds    []replication.SeedState    `json:"seeds,omitempty"` // that run now
	Verified []replication.VerifyReport `json:"verified,omitempty"`
	// Conflicts are the reports of switches by way dual.
	Conflicts []replication.ConflictReport `json:"conflicts,omitempty"`
	Last      *plan.Event                  `json:"last_event,omitempty"`
	At        time.Time                    `json:"at"`
}

// HostStatus is a host and its clone.
type HostStatus struct {
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new,omitempty"`
}

// Status reads where the move stands; it takes no lock, so it works while a
// verb runs.
func (m *Move) Status(ctx context.Context) (Status, error) {
	events, err := plan.ReadJournal(m.journalPath())
	if err != nil {
		return Status{}, err
	}
	h := plan.Fold(events)
	s := Status{Site: m.Config.Site, ID: m.Config.ID, Position: verb.PositionOf(h), At: time.Now().UTC()}
	if len(events) > 0 {
		s.Last = &events[len(events)-1]
	}
	if holder, ok := plan.LockHolder(m.path("lock")); ok {
		s.Holder = &holder
	}
	provisioned := true
	for _, host := range m.Config.Hosts {
		hs := HostStatus{Name: host.Name, Old: host.Address.String()}
		if t, err := m.directory.Lookup(host.Name); err == nil {
			hs.New = t.Public.String()
		} else {
			provisioned = false
		}
		s.Hosts = append(s.Hosts, hs)
	}
	for _, p := range m.pairs {
		r, ok, err := reports{m}.last(p.Name)
		if err != nil {
			return s, err
		}
		if ok {
			s.Verified = append(s.Verified, r)
		}
	}
	if s.Conflicts, err = m.conflictReports(ctx); err != nil {
		return s, err
	}
	if provisioned && s.Position == verb.Applying {
		s.Seeds, _ = m.Seeds(ctx) // a target that does not answer says so below
	}
	if provisioned && s.Position != verb.Finished {
		s.Pairs = make([]replication.PairStatus, len(m.pairs))
		var g errgroup.Group
		for i, p := range m.pairs {
			g.Go(func() error { s.Pairs[i] = replication.Status(ctx, p); return nil })
		}
		_ = g.Wait() // its functions return nil: a side that does not answer says so in the status
	}
	return s, nil
}

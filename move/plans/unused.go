package plans

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/move/records"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication/used"
	"github.com/dcmigrate/migrate/report"
)

// RequireUnused returns an error unless nothing is lost when apply is taken back: no record
// leads clients to the new hosts, and no new database server accepts or has writes of its
// own. It asks the world and not the journal, which may be a copy of an earlier time.
func (p *Planner) RequireUnused(ctx context.Context, h *plan.History) error {
	hosts := p.site.Directory.Hosts()
	if len(hosts) == 0 {
		return nil
	}
	r, err := records.Open(p.site)
	if err != nil {
		return err
	}
	if err := r.RequireUnled(ctx, hosts); err != nil {
		return fmt.Errorf("take apply back: %w", err)
	}
	seeded := map[string]bool{}
	for _, record := range h.Ours(verb.Apply) {
		if record.Key.Stage == verb.StageSeed {
			seeded[record.Key.Step] = true
		}
	}
	for _, pair := range p.site.Pairs {
		if _, err := p.site.Directory.Lookup(p.database(pair).Host); err != nil {
			continue // its host is not made, or gone
		}
		switch err := used.Refuse(ctx, pair); {
		case err == nil:
		case !errors.Is(err, used.ErrUsed) && !seeded[seedOf(pair, p.database(pair)).Name]:
			report.Note(ctx, "%s was not seeded, and could not be asked whether it is used: %v", pair.Target.Name(), err)
		default:
			return fmt.Errorf("take apply back: %w", err)
		}
	}
	return nil
}

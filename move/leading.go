package move

import (
	"context"
	"sync"

	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/plan"
)

// leadership sees to it that one controller leads the migration: one state folder, with its
// newest journal. The servers bear its mark.
type leadership struct{ site *wiring.Site }

// check refuses a verb that writes while another controller leads. It only reads.
func (l leadership) check(ctx context.Context) error {
	c, err := l.site.State.Controller(l.site.Config.ID, false)
	if err != nil {
		return err
	}
	return c.Check(ctx, l.site.Pairs...)
}

// begin lets a run begin: it refuses one of a controller that does not lead, or takes over,
// and has the run look again before each step. The first step that changes something
// marks the servers, while the target is not fenced yet.
func (l leadership) begin(ctx context.Context, run *plan.Runner, kind string, takeOver bool) error {
	c, err := l.site.State.Controller(l.site.Config.ID, true)
	if err != nil {
		return err
	}
	if takeOver {
		for _, p := range l.site.Pairs {
			if err := c.TakeOver(ctx, p); err != nil {
				return err
			}
		}
	}
	if err := c.Check(ctx, l.site.Pairs...); err != nil {
		return err
	}
	var mu sync.Mutex
	marked := make([]bool, len(l.site.Pairs))
	run.Allow = func(ctx context.Context, undo bool) error {
		if undo || kind == verb.Finish {
			return c.Check(ctx, l.site.Pairs...)
		}
		mu.Lock()
		defer mu.Unlock()
		for i, p := range l.site.Pairs {
			if marked[i] {
				if err := c.Check(ctx, p); err != nil {
					return err
				}
				continue
			}
			both, err := c.Keep(ctx, p)
			if err != nil {
				return err
			}
			marked[i] = both
		}
		return nil
	}
	return nil
}

// giveBack removes the marks: the migration is over, or was taken back.
func (l leadership) giveBack(ctx context.Context) error {
	c, err := l.site.State.Controller(l.site.Config.ID, false)
	if err != nil {
		return err
	}
	for _, p := range l.site.Pairs {
		c.GiveBack(ctx, p)
	}
	return nil
}

package guard

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/report"
)

// Fence returns the step that fences g.From in a guarded switch. Its Undo opens g.From only
// when nobody can hand over to g.To any more: another controller may have gone on with
// the switch meanwhile, and the two sides must never both accept writes (invariant I2).
func Fence(g Guard, opt fence.Options) plan.Step {
	opt.MayOpen = g.release
	return fence.Set(g.From, opt)
}

// release wins the decision for `from`, so that it may be opened. Without a guard nobody
// can decide otherwise, and it is enough that `to` is seen fenced.
func (g Guard) release(ctx context.Context) error {
	to, toErr := fence.ReadRunning(ctx, g.To)
	if toErr == nil && to.Open {
		err := g.change(ctx, tokenDone, false, tokenArmed, tokenReturning, tokenReleased)
		if err != nil && !errors.Is(err, errLost) {
			return err
		}
		return g.refuseOpening("it accepts application writes")
	}
	err := g.change(ctx, tokenReleased, false, tokenArmed, tokenReturning)
	if !errors.Is(err, errLost) {
		return err
	}
	now, err := g.read(ctx)
	switch {
	case err != nil:
		return err
	case now.token == tokenReleased:
		return nil
	case g.promises(now.token) == g.To:
		return g.refuseOpening("the guard is handing over to it")
	case toErr != nil:
		return fmt.Errorf("open %s: there is no guard, and it must be seen that the other side is fenced: %w", g.From.Name(), toErr)
	}
	return closeWhole(ctx, g.To, to)
}

// closeWhole closes a server whose fence is set in part: on MySQL, read_only is on and
// super_read_only is off after a crash in a write of migrate's own. Such a side is neither
// open nor safely closed.
func closeWhole(ctx context.Context, s *replication.Server, now fence.State) error {
	if now.Open || now.Closed {
		return nil
	}
	report.Note(ctx, "the fence of %s was set in part: it is set again", s.Name())
	return fence.Close(ctx, s)
}

// refuseOpening explains why `from` stays fenced.
func (g Guard) refuseOpening(why string) error {
	return report.WithHint(report.Permanent(fmt.Errorf("open %s: it stays fenced because of %s: %s", g.From.Name(), g.To.Name(), why)),
		"see migrate status: one side only may accept writes; if %s serves them, run the same command again to complete the switch, then migrate rollback", g.To.Name())
}

package guard

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/report"
)

// opposite is the guard of a switch in the other direction. It is on the other host.
func (g Guard) opposite() Guard {
	g.From, g.To = g.To, g.From
	return g
}

// promises returns the side that the guard opens at its deadline at the latest in this
// state; nil is none.
func (g Guard) promises(t token) *replication.Server {
	switch t {
	case tokenArmed, tokenReleased, tokenReturning:
		return g.From
	case tokenHandover, tokenGuarding, tokenReverting:
		return g.To
	}
	return nil
}

// leftover says what is left of the guard; "" is nothing. A host that does not answer
// is an error: a guard on it may open its side at any time.
func (g Guard) leftover(ctx context.Context) (string, error) {
	now, err := g.read(ctx)
	if err != nil {
		return "", g.explainUnreachable(err)
	}
	if now.token != tokenNone {
		return fmt.Sprintf("a guard of an earlier switch is left on the machine of %s (%s)", g.From.Name(), now.token), nil
	}
	account, err := g.login(ctx)
	if err != nil {
		return "", err
	}
	hosts, err := account.Hosts(ctx)
	if err != nil || len(hosts) == 0 {
		return "", err
	}
	return "the account of an earlier switch's guard is left on " + g.To.Name(), nil
}

// explainUnreachable explains why the switch cannot begin while the guard's host does
// not answer.
func (g Guard) explainUnreachable(err error) error {
	return report.WithHint(fmt.Errorf("look for the guard of an earlier switch: %w", err),
		"make the machine of %s reachable for migrate: a guard that is left there would open %s or %s by itself",
		g.From.Name(), g.From.Name(), g.To.Name())
}

// settle ends the guard of an earlier switch that was not completed: it opens the side
// that the guard has promised to open, as the guard would have done, and then removes
// the guard. The promise is void if the other side is open: then someone has decided
// otherwise, and the two sides must never both accept writes (invariant I2).
func (g Guard) settle(ctx context.Context) error {
	now, err := g.read(ctx)
	if err != nil {
		return g.explainUnreachable(err)
	}
	if g.promises(now.token) != nil {
		if err := g.keepPromise(ctx); err != nil {
			return err
		}
		report.Note(ctx, "the guard that an earlier switch left on the machine of %s (%s) is settled and taken away", g.From.Name(), now.token)
		// The guard may act meanwhile, but it never promises another side.
		err := g.change(ctx, tokenDone, false,
			tokenArmed, tokenReturning, tokenReleased, tokenHandover, tokenReverting, tokenGuarding)
		if err != nil && !errors.Is(err, errLost) {
			return err
		}
	}
	return g.remove(ctx)
}

// keepPromise opens the promised side if the other one is fenced. It wins the decision
// first: the controller of that switch may be alive, and decide otherwise.
func (g Guard) keepPromise(ctx context.Context) error {
	for {
		now, err := g.read(ctx)
		if err != nil {
			return err
		}
		promised, acting := g.promises(now.token), tokenReleased
		if promised == nil {
			return nil // the other controller has ended it
		}
		other := g.To
		if promised == g.To {
			other, acting = g.From, tokenGuarding
		}
		otherFence, err := fence.ReadRunning(ctx, other)
		if err != nil {
			return err
		}
		if otherFence.Open {
			return nil
		}
		if err := closeWhole(ctx, other, otherFence); err != nil {
			return err
		}
		err = g.change(ctx, acting, false, now.token)
		if err == nil {
			return fence.Open(ctx, promised)
		}
		if !errors.Is(err, errLost) {
			return err
		}
	}
}

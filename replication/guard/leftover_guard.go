package guard

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/report"
)

// opposite is the guard of a switch the other way: on the other machine.
func (g Guard) opposite() Guard {
	g.From, g.To = g.To, g.From
	return g
}

// promises reports which side the guard in this state opens at the latest at
// its deadline; nil where it opens none.
func (g Guard) promises(t token) *replication.Server {
	switch t {
	case tokenArmed, tokenReleased, tokenReturning:
		return g.From
	case tokenHandover, tokenGuarding, tokenReverting:
		return g.To
	}
	return nil
}

// left reports whether anything of the guard is there, in words: "" is nothing.
// Its machine not answering is an error: a guard that nobody sees goes on
// opening its side.
func (g Guard) left(ctx context.Context) (string, error) {
	now, err := g.state(ctx)
	if err != nil {
		return "", g.unseen(err)
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

// unseen explains why nothing goes on while the guard's machine does not answer.
func (g Guard) unseen(err error) error {
	return report.WithHint(fmt.Errorf("look for the guard of an earlier switch: %w", err),
		"make the machine of %s reachable for migrate: a guard that is left there would open %s or %s by itself",
		g.From.Name(), g.From.Name(), g.To.Name())
}

// settle ends the guard of an earlier switch that was not completed: what it
// has promised to open is opened, as it would have done itself, and then it is
// taken away. A promise is not kept where the other side is open: somebody has
// decided otherwise, and two sides never accept writes (invariant I2).
func (g Guard) settle(ctx context.Context) error {
	now, err := g.state(ctx)
	if err != nil {
		return g.unseen(err)
	}
	if promised := g.promises(now.token); promised != nil {
		if err := g.keepPromise(ctx, promised); err != nil {
			return err
		}
		report.Note(ctx, "the guard that an earlier switch left on the machine of %s (%s) is settled and taken away", g.From.Name(), now.token)
		// The guard may have acted meanwhile, but it never changes its promise.
		err := g.change(ctx, tokenDone, false,
			tokenArmed, tokenReturning, tokenReleased, tokenHandover, tokenReverting, tokenGuarding)
		if err != nil && !errors.Is(err, errLost) {
			return err
		}
	}
	return g.remove(ctx)
}

// keepPromise opens the promised side while the other is closed.
func (g Guard) keepPromise(ctx context.Context, promised *replication.Server) error {
	other := g.From
	if promised == g.From {
		other = g.To
	}
	f, err := fence.ReadRunning(ctx, other)
	if err != nil {
		return err
	}
	if !f.Closed {
		return nil
	}
	return fence.Open(ctx, promised)
}

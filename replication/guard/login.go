package guard

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// login is the guard's account on `to`. It may lift the fence, and log in to a server whose
// connections are used up. Its name says which side it is for, because on MySQL both sides
// have it while the guard is armed.
func (g Guard) login(ctx context.Context) (account.Login, error) {
	dialect, err := g.To.Dialect(ctx)
	if err != nil {
		return account.Login{}, err
	}
	return account.Login{Server: g.To, Name: replication.GuardUser(g.To.Side()), Grant: dialect.UnfencePrivilege() + ", " + dialect.ConnectPrivilege() + " ON *.*"}, nil
}

// openSide returns the side on which the guard's account is written, if it must not be
// written on `to` itself: MySQL's fence would have to give way there, and a session with
// CONNECTION_ADMIN or SUPER could write meanwhile. The account then goes to `to` by the link
// from the side that is open. nil says that the account is written on `to`: its fence need
// not be lifted, or neither side is open.
func (g Guard) openSide(ctx context.Context) (*replication.Server, error) {
	d, err := g.To.Dialect(ctx)
	if err != nil || !d.FenceStopsAdmins() {
		return nil, err
	}
	to, toErr := fence.ReadRunning(ctx, g.To)
	from, fromErr := fence.ReadRunning(ctx, g.From)
	switch {
	case toErr != nil:
		return nil, toErr
	case to.Open:
		return g.To, nil
	case fromErr != nil:
		return nil, fromErr
	case from.Open:
		return g.From, nil
	}
	return nil, nil
}

// createLogin creates the guard's account on `to`.
func (g Guard) createLogin(ctx context.Context, user account.Login, host string, password secret.Value) error {
	open, err := g.openSide(ctx)
	if err != nil {
		return err
	}
	if open != g.From {
		return user.Create(ctx, host, password)
	}
	// A CREATE USER that fails on `to` would stop the link: what is there goes first.
	hosts, err := g.loginHosts(ctx, user, open)
	if err != nil {
		return err
	}
	user.Server = open
	if err := user.DropLogged(ctx, hosts); err != nil {
		return err
	}
	if err := user.CreateLogged(ctx, host, password); err != nil {
		return err
	}
	return link.CatchUp(ctx, g.From, g.To)
}

// loginHosts lists the hosts with which either side has the guard's account. An account of
// its name that is not migrate's is an error. So is a side that does not answer, if it is
// the open one.
func (g Guard) loginHosts(ctx context.Context, user account.Login, open *replication.Server) ([]string, error) {
	var hosts []string
	for _, s := range []*replication.Server{g.From, g.To} {
		db, err := s.DB(ctx)
		var accounts replication.OwnAccounts
		if err == nil {
			accounts, err = replication.ReadOwnAccounts(ctx, db)
		}
		if err == nil {
			err = accounts.Refuse(user.Name)
		}
		if err != nil && (s == open || errors.Is(err, replication.ErrForeignAccount)) {
			return nil, s.Wrap("look for user "+user.Name, err)
		}
		hosts = append(hosts, accounts.Hosts(user.Name)...) // a side that does not answer gets the drop of what the other has
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// dropPatience bounds the wait until the link has dropped the account on the fenced side.
const dropPatience = 10 * time.Second

// dropLogin drops the guard's account wherever it is.
func (g Guard) dropLogin(ctx context.Context) error {
	user, err := g.login(ctx)
	if err != nil {
		return err
	}
	open, err := g.openSide(ctx)
	if err != nil {
		return err
	}
	if open == nil {
		return user.Drop(ctx)
	}
	hosts, err := g.loginHosts(ctx, user, open)
	if err != nil || len(hosts) == 0 {
		return err
	}
	user.Server = open
	if err := user.DropLogged(ctx, hosts); err != nil {
		return err
	}
	fenced := g.To
	if open == g.To {
		fenced = g.From
	}
	waiting, cancel := context.WithTimeoutCause(ctx, dropPatience, errors.New("the link has not brought it yet"))
	defer cancel()
	if err := link.CatchUp(waiting, open, fenced); err != nil {
		if ctx.Err() != nil {
			return err
		}
		report.Note(ctx, "the guard's account %s goes from %s when the link brings that: %v", user.Name, fenced.Name(), err)
	}
	return nil
}

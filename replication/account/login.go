package account

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/secret"
)

// Login is an account of migrate's own on a server. Create makes it without the binlog, so
// that it exists on that server only.
type Login struct {
	Server *replication.Server
	Name   string
	Grant  string // e.g. "REPLICATION SLAVE ON *.*"
}

// NewPassword returns a random password that satisfies the usual policies: upper and lower
// case, digits, a special character.
func NewPassword() secret.Value { return secret.New(secret.Generate().Open() + "-aZ7") }

// Create creates the account for clients from host with the password. Accounts that migrate
// has made with the name are dropped first, for every host. One that it has not made is an
// error that wraps replication.ErrForeignAccount, and stays.
func (a Login) Create(ctx context.Context, host string, password secret.Value) error {
	err := AsAdmin(ctx, a.Server, []string{dialect.Unlogged, dialect.Quiet}, func(ctx context.Context, session *replication.Session) error {
		return a.CreateIn(ctx, session, host, password)
	})
	if err != nil {
		return a.Server.Wrap("create user "+a.Name, err)
	}
	return nil
}

// CreateIn is Create in an open session.
func (a Login) CreateIn(ctx context.Context, session *replication.Session, host string, password secret.Value) error {
	accounts, err := replication.ReadOwnAccounts(ctx, session)
	if err != nil {
		return err
	}
	if err := accounts.Refuse(a.Name); err != nil {
		return err
	}
	if err := a.DropIn(ctx, session); err != nil {
		return err
	}
	who := query.Literal(a.Name) + "@" + query.Literal(host)
	if _, err := session.ExecContext(ctx, "CREATE USER "+who+" IDENTIFIED BY "+query.Literal(password.Open())+replication.OwnAccountOptions+" PASSWORD EXPIRE NEVER"); err != nil {
		return Conceal(err, password)
	}
	_, err = session.ExecContext(ctx, "GRANT "+a.Grant+" TO "+who)
	return err
}

// Drop drops the account for all hosts with which migrate has made it. A missing account is
// no error, and one that migrate has not made stays.
func (a Login) Drop(ctx context.Context) error {
	hosts, err := a.Hosts(ctx)
	if err != nil || len(hosts) == 0 {
		return err
	}
	if err := AsAdmin(ctx, a.Server, []string{dialect.Unlogged}, a.DropIn); err != nil {
		return a.Server.Wrap("drop user "+a.Name, err)
	}
	return nil
}

// CreateLogged is Create with the binlog, so that the links bring the account to the other
// side, whose fence need not be lifted for it.
func (a Login) CreateLogged(ctx context.Context, host string, password secret.Value) error {
	session, err := a.Server.Session(ctx, dialect.Quiet)
	if err != nil {
		return err
	}
	defer session.Close()
	return a.Server.Wrap("create user "+a.Name, a.CreateIn(ctx, session, host, password))
}

// DropLogged is Drop with the binlog. Hosts are those with which the other side has the
// account.
func (a Login) DropLogged(ctx context.Context, hosts []string) error {
	session, err := a.Server.Session(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	for _, host := range hosts {
		if _, err := session.ExecContext(ctx, "DROP USER IF EXISTS "+query.Literal(a.Name)+"@"+query.Literal(host)); err != nil {
			return a.Server.Wrap("drop user "+a.Name, err)
		}
	}
	return a.Server.Wrap("drop user "+a.Name, a.DropIn(ctx, session))
}

// DropIn is Drop in an open session.
func (a Login) DropIn(ctx context.Context, session *replication.Session) error {
	accounts, err := replication.ReadOwnAccounts(ctx, session)
	if err != nil {
		return err
	}
	for _, host := range accounts.Hosts(a.Name) {
		if _, err := session.ExecContext(ctx, "DROP USER IF EXISTS "+query.Literal(a.Name)+"@"+query.Literal(host)); err != nil {
			return err
		}
	}
	return nil
}

// Hosts lists the host parts with which migrate has made the account.
func (a Login) Hosts(ctx context.Context) ([]string, error) {
	db, err := a.Server.DB(ctx)
	if err != nil {
		return nil, err
	}
	accounts, err := replication.ReadOwnAccounts(ctx, db)
	if err != nil {
		return nil, a.Server.Wrap("look for user "+a.Name, err)
	}
	return accounts.Hosts(a.Name), nil
}

// Conceal removes the password from a server's error about a statement that held it.
func Conceal(err error, password secret.Value) error {
	text := err.Error()
	if !strings.Contains(text, password.Open()) {
		return err
	}
	return errors.New(strings.ReplaceAll(text, password.Open(), secret.Redacted))
}

// ClientHosts are the host parts of an account for a client on the host of s: the address
// of s, then any host, for networks that translate addresses.
func ClientHosts(ctx context.Context, s *replication.Server) []string {
	endpoint, err := s.Endpoint(ctx)
	if err != nil {
		return []string{replication.AnyHost}
	}
	if _, err := netip.ParseAddr(endpoint.Host); err != nil {
		return []string{replication.AnyHost}
	}
	return []string{endpoint.Host, replication.AnyHost}
}

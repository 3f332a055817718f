package account

import (
	"context"
	"errors"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/secret"
)

// fenceLock is the named lock of the server under which its fence is changed.
const fenceLock = "migrate.fence"

// fenceLockSeconds bounds the wait for it.
const fenceLockSeconds = 20

// LockFence takes a session that alone may change the server's fence; closing
// it gives the lock back, also when the process dies.
func LockFence(ctx context.Context, s *replication.Server) (*replication.Session, error) {
	session, err := s.Session(ctx)
	if err != nil {
		return nil, err
	}
	got, err := query.Text(ctx, session, "SELECT GET_LOCK(?, ?)", fenceLock, fenceLockSeconds)
	if err == nil && got != "1" {
		err = errors.New("another session of migrate holds it")
	}
	if err != nil {
		session.Close()
		return nil, s.Wrap("take the lock "+fenceLock, err)
	}
	return session, nil
}

// AsAdmin runs f in a session that may write although the server is fenced.
// MariaDB lets privileged sessions pass read_only. On MySQL super_read_only
// stops everyone, so it is lifted for the time of f while read_only stays on:
// clients without CONNECTION_ADMIN or SUPER are kept out all the time. A crash
// in between leaves read_only on; the persisted value says that
// super_read_only belongs back, and the next asAdmin or Fence sees to it.
func AsAdmin(ctx context.Context, s *replication.Server, settings []string, f func(context.Context, *replication.Session) error) (err error) {
	_, d, err := s.Open(ctx)
	if err != nil {
		return err
	}
	session, err := s.Session(ctx, settings...)
	if err != nil {
		return err
	}
	defer session.Close()
	if !d.FenceStopsAdmins() {
		return f(ctx, session)
	}
	lock, err := LockFence(ctx, s)
	if err != nil {
		return err
	}
	defer lock.Close()
	fenced, err := d.Fenced(ctx, lock)
	if err != nil {
		return s.Wrap("read super_read_only", err)
	}
	persisted, err := (setting.Persistence{Server: s, Topic: setting.FenceTopic}).Read(ctx, "super_read_only")
	if err != nil {
		return err
	}
	if !fenced && !dialect.IsOn(persisted["super_read_only"]) {
		return f(ctx, session)
	}
	defer func() {
		restore, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
		defer cancel()
		if _, restoreErr := lock.ExecContext(restore, "SET GLOBAL super_read_only = 1"); restoreErr != nil {
			err = errors.Join(err, s.Wrap("put super_read_only back", restoreErr))
		}
	}()
	for _, statement := range []string{"SET GLOBAL read_only = 1", "SET GLOBAL super_read_only = 0"} {
		if _, err := lock.ExecContext(ctx, statement); err != nil {
			return s.Wrap(statement, err)
		}
	}
	return f(ctx, session)
}

// Login is an account of migrate's own on a server. It is never in the binlog,
// so that it exists on that server only.
type Login struct {
	Server *replication.Server
	Name   string
	Grant  string // e.g. "REPLICATION SLAVE ON *.*"
}

// NewPassword satisfies the usual password policies: upper and lower case, digits, a special character.
func NewPassword() secret.Value { return secret.New(secret.Generate().Open() + "-aZ7") }

// Create makes the account anew for clients from host, with a new password,
// and drops it for every other host.
func (a Login) Create(ctx context.Context, host string, password secret.Value) error {
	err := AsAdmin(ctx, a.Server, []string{dialect.Unlogged, dialect.Quiet}, func(ctx context.Context, session *replication.Session) error {
		return a.CreateIn(ctx, session, host, password)
	})
	if err != nil {
		return a.Server.Wrap("create user "+a.Name, err)
	}
	return nil
}

// CreateIn creates the login in a session that is open.
func (a Login) CreateIn(ctx context.Context, session *replication.Session, host string, password secret.Value) error {
	if err := a.DropIn(ctx, session); err != nil {
		return err
	}
	who := query.Literal(a.Name) + "@" + query.Literal(host)
	if _, err := session.ExecContext(ctx, "CREATE USER "+who+" IDENTIFIED BY "+query.Literal(password.Open())); err != nil {
		return Conceal(err, password)
	}
	_, err := session.ExecContext(ctx, "GRANT "+a.Grant+" TO "+who)
	return err
}

// Drop removes the account for all hosts; none is no error.
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

// DropIn drops the login in a session that is open.
func (a Login) DropIn(ctx context.Context, session *replication.Session) error {
	hosts, err := query.Strings(ctx, session, "SELECT Host FROM mysql.user WHERE User = ?", a.Name)
	if err != nil {
		return err
	}
	for _, host := range hosts {
		if _, err := session.ExecContext(ctx, "DROP USER IF EXISTS "+query.Literal(a.Name)+"@"+query.Literal(host)); err != nil {
			return err
		}
	}
	return nil
}

// Hosts lists the hosts that the account exists for.
func (a Login) Hosts(ctx context.Context) ([]string, error) {
	db, err := a.Server.DB(ctx)
	if err != nil {
		return nil, err
	}
	hosts, err := query.Strings(ctx, db, "SELECT Host FROM mysql.user WHERE User = ? ORDER BY Host", a.Name)
	if err != nil {
		return nil, a.Server.Wrap("look for user "+a.Name, err)
	}
	return hosts, nil
}

// Conceal takes a secret out of what a server says of a statement that held it.
func Conceal(err error, password secret.Value) error {
	text := err.Error()
	if !strings.Contains(text, password.Open()) {
		return err
	}
	return errors.New(strings.ReplaceAll(text, password.Open(), secret.Redacted))
}

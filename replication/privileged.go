package replication

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/secret"
)

const (
	// fenceLock is the named lock of the server under which its fence is changed.
	fenceLock = "migrate.fence"
	// fenceLockSeconds bounds the wait for it.
	fenceLockSeconds = 20
	// restoreTimeout bounds what has to be put back although a context has ended.
	restoreTimeout = 15 * time.Second
	// anyHost lets an account log in from everywhere.
	anyHost = "%"
)

// lockFence takes a session that alone may change the server's fence; closing
// it gives the lock back, also when the process dies.
func lockFence(ctx context.Context, s *Server) (*Session, error) {
	session, err := s.Session(ctx)
	if err != nil {
		return nil, err
	}
	got, err := queryText(ctx, session, "SELECT GET_LOCK(?, ?)", fenceLock, fenceLockSeconds)
	if err == nil && got != "1" {
		err = errors.New("another session of migrate holds it")
	}
	if err != nil {
		session.Close()
		return nil, s.wrap("take the lock "+fenceLock, err)
	}
	return session, nil
}

// asAdmin runs f in a session that may write although the server is fenced.
// MariaDB lets privileged sessions pass read_only. On MySQL super_read_only
// stops everyone, so it is lifted for the time of f while read_only stays on:
// clients without CONNECTION_ADMIN or SUPER are kept out all the time. A crash
// in between leaves read_only on; the persisted value says that
// super_read_only belongs back, and the next asAdmin or Fence sees to it.
func asAdmin(ctx context.Context, s *Server, settings []string, f func(context.Context, *Session) error) (err error) {
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
	lock, err := lockFence(ctx, s)
	if err != nil {
		return err
	}
	defer lock.Close()
	fenced, err := d.Fenced(ctx, lock)
	if err != nil {
		return s.wrap("read super_read_only", err)
	}
	persisted, err := (persistence{s, fenceTopic}).read(ctx, "super_read_only")
	if err != nil {
		return err
	}
	if !fenced && !isOn(persisted["super_read_only"]) {
		return f(ctx, session)
	}
	defer func() {
		restore, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
		defer cancel()
		if _, restoreErr := lock.ExecContext(restore, "SET GLOBAL super_read_only = 1"); restoreErr != nil {
			err = errors.Join(err, s.wrap("put super_read_only back", restoreErr))
		}
	}()
	for _, statement := range []string{"SET GLOBAL read_only = 1", "SET GLOBAL super_read_only = 0"} {
		if _, err := lock.ExecContext(ctx, statement); err != nil {
			return s.wrap(statement, err)
		}
	}
	return f(ctx, session)
}

// login is an account of migrate's own on a server. It is never in the binlog,
// so that it exists on that server only.
type login struct {
	server *Server
	name   string
	grant  string // e.g. "REPLICATION SLAVE ON *.*"
}

// newPassword satisfies the usual password policies: upper and lower case, digits, a special character.
func newPassword() secret.Value { return secret.New(secret.Generate().Open() + "-aZ7") }

// create makes the account anew for clients from host, with a new password,
// and drops it for every other host.
func (a login) create(ctx context.Context, host string, password secret.Value) error {
	err := asAdmin(ctx, a.server, []string{Unlogged, Quiet}, func(ctx context.Context, session *Session) error {
		return a.createIn(ctx, session, host, password)
	})
	if err != nil {
		return a.server.wrap("create user "+a.name, err)
	}
	return nil
}

func (a login) createIn(ctx context.Context, session *Session, host string, password secret.Value) error {
	if err := a.dropIn(ctx, session); err != nil {
		return err
	}
	who := literal(a.name) + "@" + literal(host)
	if _, err := session.ExecContext(ctx, "CREATE USER "+who+" IDENTIFIED BY "+literal(password.Open())); err != nil {
		return conceal(err, password)
	}
	_, err := session.ExecContext(ctx, "GRANT "+a.grant+" TO "+who)
	return err
}

// drop removes the account for all hosts; none is no error.
func (a login) drop(ctx context.Context) error {
	hosts, err := a.hosts(ctx)
	if err != nil || len(hosts) == 0 {
		return err
	}
	if err := asAdmin(ctx, a.server, []string{Unlogged}, a.dropIn); err != nil {
		return a.server.wrap("drop user "+a.name, err)
	}
	return nil
}

func (a login) dropIn(ctx context.Context, session *Session) error {
	hosts, err := queryStrings(ctx, session, "SELECT Host FROM mysql.user WHERE User = ?", a.name)
	if err != nil {
		return err
	}
	for _, host := range hosts {
		if _, err := session.ExecContext(ctx, "DROP USER IF EXISTS "+literal(a.name)+"@"+literal(host)); err != nil {
			return err
		}
	}
	return nil
}

// hosts lists the hosts that the account exists for.
func (a login) hosts(ctx context.Context) ([]string, error) {
	db, err := a.server.DB(ctx)
	if err != nil {
		return nil, err
	}
	hosts, err := queryStrings(ctx, db, "SELECT Host FROM mysql.user WHERE User = ? ORDER BY Host", a.name)
	if err != nil {
		return nil, a.server.wrap("look for user "+a.name, err)
	}
	return hosts, nil
}

// conceal takes a secret out of what a server says of a statement that held it.
func conceal(err error, password secret.Value) error {
	text := err.Error()
	if !strings.Contains(text, password.Open()) {
		return err
	}
	return errors.New(strings.ReplaceAll(text, password.Open(), secret.Redacted))
}

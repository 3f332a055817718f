package account

import (
	"context"
	"errors"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
)

// fenceLock is the server's named lock under which its fence is changed.
const fenceLock = "migrate.fence"

// fenceLockSeconds bounds the wait for fenceLock.
const fenceLockSeconds = 20

// LockFence opens a session that alone may change the server's fence. The end of the
// session releases the lock, also when the process dies.
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

// AsAdmin runs f in a session that may write although the server is fenced. MariaDB lets
// privileged sessions pass read_only. MySQL's super_read_only stops every session, so it
// is off while f runs, and read_only stays on: clients without CONNECTION_ADMIN or SUPER
// cannot write at any time. A crash during f leaves read_only on. The kept value then says
// that super_read_only must be on, and the next AsAdmin or fence turns it on.
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
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
		defer cancel()
		if _, restoreErr := lock.ExecContext(after, "SET GLOBAL super_read_only = 1"); restoreErr != nil {
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

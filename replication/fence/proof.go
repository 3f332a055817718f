package fence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
)

// probe tries a write that a fence must refuse. On MariaDB a new user without privileges
// tries it. On MySQL one of migrate's own sessions does, because super_read_only stops
// every session. A probe is opened before the fence is set.
type probe struct {
	server      *replication.Server
	own         *replication.Session // creates and drops the probe's user
	login       account.Login
	userCreated bool    // also if the creation may have failed
	pool        *sql.DB // the user's sessions; nil if migrate's own session tries the write
	writer      query.Execer
}

// openProbe creates everything that the proof needs. Where a fence lets privileged sessions
// pass, that is the probe's user and the schema that the write names. The write changes
// nothing, even if the server lets it in.
func openProbe(ctx context.Context, s *replication.Server) (_ *probe, err error) {
	d, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	own, err := s.Session(ctx, dialect.Unlogged, dialect.Quiet)
	if err != nil {
		return nil, err
	}
	p := &probe{server: s, own: own, writer: own, login: account.Login{Server: s, Name: replication.ProbeUser, Grant: "CREATE ON `" + replication.OwnSchema + "`.*"}}
	if d.FenceStopsAdmins() {
		return p, nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close(ctx))
		}
	}()
	if err := replication.MakeOwnSchema(ctx, own); err != nil {
		return nil, s.Wrap("prepare the proof of the fence", err)
	}
	password := account.NewPassword()
	p.userCreated = true
	if err := p.login.CreateIn(ctx, own, s.ClientHost(), password); err != nil {
		return nil, s.Wrap("create user "+p.login.Name, err)
	}
	if p.pool, err = s.PoolAs(p.login.Name, password); err != nil {
		return nil, err
	}
	p.writer = p.pool
	if err := p.pool.PingContext(ctx); err != nil { // the connection stays in the pool
		return nil, s.Wrap("log in as "+p.login.Name, err)
	}
	return p, nil
}

// probeWrite creates a schema that exists.
const probeWrite = replication.CreateOwnSchema

// requireRefused tries the write and returns an error unless the server refuses it.
func (p *probe) requireRefused(ctx context.Context) error {
	_, err := p.writer.ExecContext(ctx, probeWrite)
	switch {
	case query.ErrorNumber(err) == errReadOnly:
		return nil
	case err == nil:
		return fmt.Errorf("verify the fence of %s: a write was let in", p.server.Name())
	}
	return p.server.Wrap("prove the fence", err)
}

// close drops the probe's user, also when ctx has ended.
func (p *probe) close(ctx context.Context) error {
	defer p.own.Close()
	if !p.userCreated {
		return nil
	}
	if p.pool != nil {
		_ = p.pool.Close() // a connection that does not close cleanly still ends
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
	defer cancel()
	if err := p.login.DropIn(ctx, p.own); err != nil {
		return p.server.Wrap("drop user "+p.login.Name, err)
	}
	return nil
}

// proveFence proves that a server refuses an application's write.
func proveFence(ctx context.Context, s *replication.Server) (err error) {
	probe, err := openProbe(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, probe.close(ctx)) }()
	return probe.requireRefused(ctx)
}

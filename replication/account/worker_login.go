package account

import (
	"context"

	"github.com/dcmigrate/migrate/replication"
)

// WorkerLogin is the login of a seed that runs on the target's host and reads the source.
func WorkerLogin(ctx context.Context, source *replication.Server) (Login, error) {
	dialect, err := source.Dialect(ctx)
	if err != nil {
		return Login{}, err
	}
	return Login{source, replication.SeedUser, dialect.SeedPrivileges() + " ON *.*"}, nil
}

// DropWorkerLogin drops the login of an earlier attempt's worker if the seed now runs
// elsewhere. The caller holds the seed's lock, so that no worker uses the login.
func DropWorkerLogin(ctx context.Context, source *replication.Server) error {
	if source.OnlyReads() {
		return nil // this process is the worker, logged in with that account
	}
	account, err := WorkerLogin(ctx, source)
	if err != nil {
		return err
	}
	return account.Drop(ctx)
}

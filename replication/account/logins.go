package account

import (
	"context"
	"net/netip"

	"github.com/dcmigrate/migrate/replication"
)

// ClientHosts are the account hosts for a client on the machine of s: its
// address, then any, for networks that translate addresses.
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

// WorkerLogin is the login with which a seed on the target's host reads the source.
func WorkerLogin(ctx context.Context, source *replication.Server) (Login, error) {
	dialect, err := source.Dialect(ctx)
	if err != nil {
		return Login{}, err
	}
	return Login{source, replication.OwnUserPrefix + "seed", dialect.SeedPrivileges() + " ON *.*"}, nil
}

// DropWorkerLogin takes away the account of a worker of an earlier try, where
// the seed runs elsewhere now. The caller holds the seed's lock: no worker uses it.
func DropWorkerLogin(ctx context.Context, source *replication.Server) error {
	if source.OnlyReads() {
		return nil // it is the worker's own
	}
	account, err := WorkerLogin(ctx, source)
	if err != nil {
		return err
	}
	return account.Drop(ctx)
}

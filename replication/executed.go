package replication

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
)

// Executed returns all transactions of a server. On MariaDB a transaction is among them
// from its write to the binlog on, which is before its rows are visible: by as long as a
// semi-synchronous replica may take to acknowledge it. That a side has a set is therefore
// never concluded from Executed, but from WaitGTIDs.
func Executed(ctx context.Context, s *Server) (GTIDSet, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return GTIDSet{}, err
	}
	set, err := ExecutedGTIDs(ctx, db, dialect)
	return set, s.Wrap("read the executed transactions", err)
}

// ExecutedGTIDs returns all transactions that a server has in its binlog, native and
// replicated, as q reads them.
func ExecutedGTIDs(ctx context.Context, q query.Queryer, d *dialect.Dialect) (GTIDSet, error) {
	statement, variable := d.ExecutedGTIDs()
	text, err := query.Text(ctx, q, statement)
	if err != nil {
		return GTIDSet{}, fmt.Errorf("read %s: %w", variable, err)
	}
	return ParseGTIDSet(d.Flavor, text)
}

// Visible returns transactions of a server whose rows every read that begins now sees, of
// the other servers' transactions at least. Of the server's own it may hold some that are
// logged and not visible yet. It is for reports and for what the wait function cannot tell;
// whether a side has a set is WaitGTIDs' to say.
func Visible(ctx context.Context, s *Server) (GTIDSet, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return GTIDSet{}, err
	}
	logged, err := ExecutedGTIDs(ctx, db, dialect)
	if err != nil || dialect.ExecutedAreVisible() {
		return logged, s.Wrap("read the executed transactions", err)
	}
	native, err := dialect.NativeDomain(ctx, db)
	if err != nil {
		return GTIDSet{}, s.Wrap("read gtid_domain_id", err)
	}
	text, err := query.Text(ctx, db, "SELECT @@GLOBAL.gtid_slave_pos")
	if err != nil {
		return GTIDSet{}, s.Wrap("read gtid_slave_pos", err)
	}
	applied, err := ParseGTIDSet(dialect.Flavor, text)
	if err != nil {
		return GTIDSet{}, s.Wrap("read gtid_slave_pos", err)
	}
	others := slices.DeleteFunc(logged.Domains(), func(d uint32) bool { return d == native })
	return applied.Without(native).Union(logged.Without(others...)), nil
}

// WaitGTIDs waits on a server until its replica has executed the set, at most timeout
// (0 returns at once), and reports whether it has.
func WaitGTIDs(ctx context.Context, q query.Queryer, d *dialect.Dialect, set GTIDSet, timeout time.Duration) (bool, error) {
	if set.IsEmpty() {
		return true, nil
	}
	statement, args := d.WaitGTIDs(set.String(), timeout)
	result, err := query.Text(ctx, q, statement, args...)
	if err != nil {
		return false, fmt.Errorf("wait for GTIDs %s: %w", set, err)
	}
	return result == "0", nil
}

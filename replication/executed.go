package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
)

// Executed returns all transactions of a server.
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

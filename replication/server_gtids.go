package replication

import (
	"context"
	"fmt"
	"time"
)

// executedGTIDs asks for all transactions that a server has in its binlog,
// native and replicated.
func executedGTIDs(ctx context.Context, q queryer, d *Dialect) (GTIDSet, error) {
	statement, variable := d.ExecutedGTIDs()
	text, err := queryText(ctx, q, statement)
	if err != nil {
		return GTIDSet{}, fmt.Errorf("read %s: %w", variable, err)
	}
	return ParseGTIDSet(d.Flavor, text)
}

// waitGTIDs waits on a server until its replica has executed set, at most timeout
// (0 returns at once), and reports whether it has.
func waitGTIDs(ctx context.Context, q queryer, d *Dialect, set GTIDSet, timeout time.Duration) (bool, error) {
	if set.IsEmpty() {
		return true, nil
	}
	statement, args := d.WaitGTIDs(set.String(), timeout)
	result, err := queryText(ctx, q, statement, args...)
	if err != nil {
		return false, fmt.Errorf("wait for GTIDs %s: %w", set, err)
	}
	return result == "0", nil
}

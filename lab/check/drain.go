package check

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// drainPollInterval is how often Drain reads both servers' positions.
const drainPollInterval = 100 * time.Millisecond

// Drain waits until each side has executed everything in the other's binary log,
// by the servers' own GTID positions (MariaDB). Nothing may write meanwhile. If ctx
// ends first, the error wraps its cause.
func Drain(ctx context.Context, source, target Database) error {
	tick := time.NewTicker(drainPollInterval)
	defer tick.Stop()
	for {
		a, err := executedGTIDs(ctx, source)
		if err != nil {
			return fmt.Errorf("drain links: source: %w", err)
		}
		b, err := executedGTIDs(ctx, target)
		if err != nil {
			return fmt.Errorf("drain links: target: %w", err)
		}
		if a.contains(b) && b.contains(a) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("drain links: source is at %v, target at %v: %w", a, b, context.Cause(ctx))
		}
	}
}

// gtids holds the last sequence number of each replication domain.
type gtids map[string]uint64

// executedGTIDs returns what a server has executed: what it logged and what it applied.
func executedGTIDs(ctx context.Context, db Database) (gtids, error) {
	out, err := db.Query(ctx, "SELECT CONCAT_WS(',', @@GLOBAL.gtid_binlog_pos, @@GLOBAL.gtid_slave_pos)")
	if err != nil {
		return nil, err
	}
	at := gtids{}
	for gtid := range strings.SplitSeq(strings.TrimSpace(string(out)), ",") {
		if gtid == "" {
			continue
		}
		parts := strings.Split(gtid, "-") // domain-server-sequence
		if len(parts) != 3 {
			return nil, fmt.Errorf("read position %q: want domain-server-sequence", gtid)
		}
		n, err := strconv.ParseUint(parts[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read position %q: %w", gtid, err)
		}
		at[parts[0]] = max(at[parts[0]], n)
	}
	return at, nil
}

// contains reports whether g includes all of other.
func (g gtids) contains(other gtids) bool {
	for domain, n := range other {
		if g[domain] < n {
			return false
		}
	}
	return true
}

package dialect

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/dcmigrate/migrate/replication/query"
)

// GTIDDomains reports whether the flavor numbers its transactions by domain: a
// server's position is then the last sequence number of each domain (MariaDB),
// and what a server executed for its own clients is told by gtid_domain_id and
// server_id. Without them a position is a set of intervals by server_uuid (MySQL).
func (f Flavor) GTIDDomains() bool { return f == MariaDB }

// BinlogStatus shows the current binlog file and position: columns File, Position.
func (d *Dialect) BinlogStatus() string {
	if !d.isMariaDB() && d.atLeast(8, 2, 0) {
		return "SHOW BINARY LOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

// ResetBinlog empties the binlog and with it the executed GTIDs.
func (d *Dialect) ResetBinlog() string {
	if !d.isMariaDB() && d.atLeast(8, 2, 0) {
		return "RESET BINARY LOGS AND GTIDS"
	}
	return "RESET MASTER"
}

// ExecutedGTIDs is the query for all transactions that the server has in its
// binlog, native and replicated, and the name of the variable that holds most of
// them. On MariaDB that is the last of each domain in gtid_binlog_pos and gtid_slave_pos.
func (d *Dialect) ExecutedGTIDs() (query, variable string) {
	if d.isMariaDB() {
		return "SELECT CONCAT_WS(',', NULLIF(@@GLOBAL.gtid_binlog_pos,''), NULLIF(@@GLOBAL.gtid_slave_pos,''))", "gtid_binlog_pos"
	}
	return "SELECT @@GLOBAL.gtid_executed", "gtid_executed"
}

// LoggedGTIDs is the query for the transactions of the server's binlog, where
// they differ from the executed ones: MariaDB does not log what comes by the link
// and changes nothing. Elsewhere it is empty.
func (d *Dialect) LoggedGTIDs() string {
	if d.isMariaDB() {
		return "SELECT @@GLOBAL.gtid_binlog_pos"
	}
	return ""
}

// ExecutedAreVisible reports whether every read that begins now sees the rows of
// the executed transactions. On MySQL a transaction enters gtid_executed after its
// commit in the engine (MYSQL_BIN_LOG::process_commit_stage_queue, then
// update_commit_group); on MariaDB gtid_binlog_pos moves before the rows are visible.
func (d *Dialect) ExecutedAreVisible() bool { return !d.isMariaDB() }

// NativeDomain is the MariaDB gtid_domain_id under which the server logs its
// own writes; MySQL has none.
func (d *Dialect) NativeDomain(ctx context.Context, q query.Queryer) (uint32, error) {
	if !d.isMariaDB() {
		return 0, nil
	}
	text, err := query.Text(ctx, q, "SELECT @@GLOBAL.gtid_domain_id")
	if err != nil {
		return 0, fmt.Errorf("read gtid_domain_id: %w", err)
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read gtid_domain_id %q: %w", text, err)
	}
	return uint32(n), nil
}

// WaitGTIDs is the query that waits on the server until its replica has executed
// gtids, at most timeout (0 returns at once); it returns 0 if the replica has. On
// MariaDB gtids must hold the origin's domains only: with a domain of the server's
// own it returns -1.
func (d *Dialect) WaitGTIDs(gtids string, timeout time.Duration) (query string, args []any) {
	seconds := timeout.Seconds()
	if d.isMariaDB() {
		return "SELECT MASTER_GTID_WAIT(?, ?)", []any{gtids, seconds}
	}
	// A timeout of 0 means "for ever" here; fractions are allowed since 8.0.
	return "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)", []any{gtids, max(seconds, 0.001)}
}

// LinkStartsAtPosition reports whether a new link starts at a position that the
// replica keeps apart from its binlog (MariaDB: gtid_slave_pos). MySQL's
// auto-position works by the sets of both servers.
func (d *Dialect) LinkStartsAtPosition() bool { return d.isMariaDB() }

// SetPosition is the statement that makes gtids the position of a server whose
// binlog is empty. It is empty where an empty binlog is that position already.
func (d *Dialect) SetPosition(gtids string) string {
	switch {
	case d.isMariaDB():
		return "SET GLOBAL gtid_slave_pos = " + query.Literal(gtids)
	case gtids != "":
		return "SET GLOBAL gtid_purged = " + query.Literal(gtids)
	}
	return ""
}

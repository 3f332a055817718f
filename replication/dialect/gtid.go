package dialect

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/dcmigrate/migrate/replication/query"
)

// GTIDDomains reports whether the flavor numbers its transactions by domain (MariaDB). A
// server's position is then the last sequence number of each domain, and gtid_domain_id
// and server_id identify what a server executed for its own clients. On MySQL a position
// is a set of intervals by server_uuid.
func (f Flavor) GTIDDomains() bool { return f == MariaDB }

// BinlogStatus is the statement that shows the current binlog file and position: columns
// File, Position.
func (d *Dialect) BinlogStatus() string {
	if !d.isMariaDB() && d.atLeast(8, 2, 0) {
		return "SHOW BINARY LOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

// ResetBinlog is the statement that empties the binlog and with it the executed GTIDs.
func (d *Dialect) ResetBinlog() string {
	if !d.isMariaDB() && d.atLeast(8, 2, 0) {
		return "RESET BINARY LOGS AND GTIDS"
	}
	return "RESET MASTER"
}

// ExecutedGTIDs is the query for all transactions that the server has in its binlog,
// native and replicated, and the name of the variable that holds most of them. On MariaDB
// the result is the last of each domain in gtid_binlog_pos and gtid_slave_pos.
func (d *Dialect) ExecutedGTIDs() (query, variable string) {
	if d.isMariaDB() {
		return "SELECT CONCAT_WS(',', NULLIF(@@GLOBAL.gtid_binlog_pos,''), NULLIF(@@GLOBAL.gtid_slave_pos,''))", "gtid_binlog_pos"
	}
	return "SELECT @@GLOBAL.gtid_executed", "gtid_executed"
}

// LoggedGTIDs is the query for the transactions of the server's binlog if they differ from
// the executed ones, else "". MariaDB does not log a replicated transaction that changes
// nothing.
func (d *Dialect) LoggedGTIDs() string {
	if d.isMariaDB() {
		return "SELECT @@GLOBAL.gtid_binlog_pos"
	}
	return ""
}

// ExecutedAreVisible reports whether every read that begins now sees the rows of the
// executed transactions. On MySQL a transaction enters gtid_executed after its commit in
// the engine (MYSQL_BIN_LOG::process_commit_stage_queue, then update_commit_group). On
// MariaDB gtid_binlog_pos moves before the rows are visible.
func (d *Dialect) ExecutedAreVisible() bool { return !d.isMariaDB() }

// NativeDomain reads the MariaDB gtid_domain_id under which the server logs its own
// writes. On MySQL it is 0.
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

// WaitGTIDs is the query that waits on the server until its replica has executed gtids, at
// most timeout (0 returns at once). Its result is 0 if the replica has. On MariaDB gtids
// must hold the origin's domains only: with a domain of the server's own the result is -1.
func (d *Dialect) WaitGTIDs(gtids string, timeout time.Duration) (query string, args []any) {
	seconds := timeout.Seconds()
	if d.isMariaDB() {
		return "SELECT MASTER_GTID_WAIT(?, ?)", []any{gtids, seconds}
	}
	// Here a timeout of 0 means no limit. Fractions are allowed since 8.0.
	return "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)", []any{gtids, max(seconds, 0.001)}
}

// LinkStartsAtPosition reports whether a new link starts at a position that the replica
// keeps apart from its binlog (MariaDB: gtid_slave_pos). MySQL's auto-position compares
// the sets of both servers.
func (d *Dialect) LinkStartsAtPosition() bool { return d.isMariaDB() }

// SetPosition is the statement that makes gtids the position of a server whose binlog is
// empty, or "" if the server is at that position already.
func (d *Dialect) SetPosition(gtids string) string {
	switch {
	case d.isMariaDB():
		return "SET GLOBAL gtid_slave_pos = " + query.Literal(gtids)
	case gtids != "":
		return "SET GLOBAL gtid_purged = " + query.Literal(gtids)
	}
	return ""
}

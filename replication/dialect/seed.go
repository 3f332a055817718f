package dialect

import (
	"github.com/dcmigrate/migrate/replication/query"
)

// ExtendVariable is the variable that makes MySQL write zeroes into a table's new pages
// before it uses them, through the file system's cache, and wait for the disk. That is a
// fifth of the cost of a copy. With OFF it only reserves the pages and records them in its
// redo log, from which a recovery creates them (WL#13782): a crash loses no page.
const ExtendVariable = "innodb_extend_and_initialize"

// HasExtend reports whether the server has ExtendVariable.
func (d *Dialect) HasExtend() bool { return !d.isMariaDB() && d.atLeast(8, 0, 22) }

// SortMemory is the statement that gives a session enough memory to sort a large table in
// few passes when it builds an index. MySQL's default is a megabyte. MariaDB's cannot be
// set for one session.
func (d *Dialect) SortMemory() string {
	if d.isMariaDB() || !d.atLeast(8, 0, 27) {
		return "DO 0"
	}
	return "SET SESSION innodb_ddl_buffer_size = 16777216"
}

// SnapshotTellsPosition reports whether START TRANSACTION WITH CONSISTENT SNAPSHOT records
// the position in the binlog that belongs to its read view. MariaDB does, under the mutex
// under which a group commit makes its transactions visible (LOCK_commit_ordered). On
// MySQL gtid_executed and the read views have no common mutex, so the caller must hold
// commits for a moment.
func (d *Dialect) SnapshotTellsPosition() bool { return d.isMariaDB() }

// CopiesHistory reports whether the history of system-versioned tables can be written.
// MariaDB allows it from 10.11 on. MySQL has no such tables.
func (d *Dialect) CopiesHistory() bool { return !d.isMariaDB() || d.atLeast(10, 11, 0) }

// HidesKeyColumns reports whether the binlog may have columns that information_schema does
// not list. MariaDB hashes long unique keys into such columns.
func (d *Dialect) HidesKeyColumns() bool { return d.isMariaDB() }

// SequenceOf is the query for one sequence of a schema: column name. On MySQL, which has
// no sequences, it returns no row.
func (d *Dialect) SequenceOf(schema string) string {
	if d.isMariaDB() {
		return "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_TYPE = 'SEQUENCE' AND TABLE_SCHEMA = " + query.Literal(schema) + " LIMIT 1"
	}
	return "SELECT 1 AS name FROM DUAL WHERE 1 = 0 AND '' = " + query.Literal(schema)
}

// ExtendedCapabilities reports whether the server has protocol capabilities beyond
// MySQL's; a client asks for them by leaving CLIENT_LONG_PASSWORD out. MariaDB takes many
// rows of parameters in one packet (COM_STMT_BULK_EXECUTE).
func (d *Dialect) ExtendedCapabilities() bool { return d.isMariaDB() }

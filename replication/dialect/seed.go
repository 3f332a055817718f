package dialect

import (
	"github.com/dcmigrate/migrate/replication/query"
)

// ExtendVariable says whether MySQL fills a table's new pages with zeroes before
// it uses them, through the file system's cache, and waits for the disk: a fifth
// of what a copy costs it. Without, it reserves the pages, after a note in its
// redo log from which a recovery makes them (WL#13782): a crash loses none.
const ExtendVariable = "innodb_extend_and_initialize"

// HasExtend reports whether the server has ExtendVariable.
func (d *Dialect) HasExtend() bool { return !d.isMariaDB() && d.atLeast(8, 0, 22) }

// SortMemory gives a session that builds indexes enough memory to sort a large
// table in few passes: MySQL's default is a megabyte. MariaDB's cannot be set for
// a session.
func (d *Dialect) SortMemory() string {
	if d.isMariaDB() || !d.atLeast(8, 0, 27) {
		return "DO 0"
	}
	return "SET SESSION innodb_ddl_buffer_size = 16777216"
}

// SnapshotTellsPosition reports whether START TRANSACTION WITH CONSISTENT SNAPSHOT
// notes the position in the binlog that belongs to its read view. MariaDB does, under
// the mutex under which a group commit makes its transactions visible
// (LOCK_commit_ordered). On MySQL gtid_executed and the read views have no common
// mutex, so commits must be held for a moment.
func (d *Dialect) SnapshotTellsPosition() bool { return d.isMariaDB() }

// CopiesHistory reports whether the history of system-versioned tables can be
// written. MariaDB allows it from 10.11 on; MySQL has no such tables.
func (d *Dialect) CopiesHistory() bool { return !d.isMariaDB() || d.atLeast(10, 11, 0) }

// HidesKeyColumns reports whether the binlog has columns that information_schema
// does not list: MariaDB hashes long unique keys into such columns.
func (d *Dialect) HidesKeyColumns() bool { return d.isMariaDB() }

// SequenceOf is the query for the name of one sequence of a schema, in a column
// name. It finds nothing on MySQL, which has no sequences.
func (d *Dialect) SequenceOf(schema string) string {
	if d.isMariaDB() {
		return "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_TYPE = 'SEQUENCE' AND TABLE_SCHEMA = " + query.Literal(schema) + " LIMIT 1"
	}
	return "SELECT 1 AS name FROM DUAL WHERE 1 = 0 AND '' = " + query.Literal(schema)
}

// ExtendedCapabilities reports whether the server has capabilities of the protocol
// beyond MySQL's, which CLIENT_LONG_PASSWORD tells apart: MariaDB takes many rows
// of parameters in one packet (COM_STMT_BULK_EXECUTE).
func (d *Dialect) ExtendedCapabilities() bool { return d.isMariaDB() }

package dialect

// Unlogged is the statement that keeps a session's changes out of the binlog.
const Unlogged = "SET SESSION sql_log_bin = 0"

// AnyForeignKey is the statement that makes a session take foreign keys to columns that are
// not unique. MySQL refuses them since 8.4, and has those that were made before.
func (d *Dialect) AnyForeignKey() string {
	if d.isMariaDB() || !d.atLeast(8, 4, 0) {
		return "DO 0"
	}
	return "SET SESSION restrict_fk_on_non_standard_key = 0"
}

// AsIs is the statement that makes a session take definitions and rows as another server
// holds them, though it would refuse them anew: references to missing rows, rows that break
// a CHECK (MariaDB, which also has one on each JSON column), a ROW_FORMAT or KEY_BLOCK_SIZE
// that InnoDB ignores, a row that may become too wide. A table with a history may be
// altered, which keeps the history.
const AsIs = "SET SESSION foreign_key_checks = 0, innodb_strict_mode = 0" +
	" /*M!100304 , check_constraint_checks = 0, system_versioning_alter_history = KEEP */"

// Quiet is the statement that keeps a session's later statements out of the general log.
// It comes before statements that hold a password or a hash.
const Quiet = "SET SESSION sql_log_off = 1"

// PersistsVariables reports whether the server itself keeps global variables over a
// restart. MySQL does (SET PERSIST_ONLY); MariaDB needs an option file.
func (d *Dialect) PersistsVariables() bool { return !d.isMariaDB() }

// ServerIDs are the variables whose values must differ between the servers of a pair.
func (d *Dialect) ServerIDs() []string {
	if d.isMariaDB() {
		return []string{"server_id", "gtid_domain_id"}
	}
	return []string{"server_id"}
}

// IdentityQuery is the query whose result differs between servers: columns id, host, port,
// dir and, on MariaDB, installed. The variable is the one whose value is id. MySQL has a
// server_uuid. MariaDB has none, so its server_id counts together with the creation time
// of its system tables, which neither an upgrade nor a copy of the files changes.
func (d *Dialect) IdentityQuery() (query, variable string) {
	variable, installed := "server_uuid", ""
	if d.isMariaDB() {
		variable = "server_id"
		installed = `, (SELECT MIN(CREATE_TIME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'mysql' AND ENGINE = 'Aria') AS installed`
	}
	return "SELECT @@GLOBAL." + variable + " AS id, @@GLOBAL.hostname AS host, @@GLOBAL.port AS port, @@GLOBAL.datadir AS dir" + installed, variable
}

// ExactTexts is the setting with which a session reads definitions as they are: MySQL stores the literals of an
// expression in the character set that they were written in, and its conversion of the whole
// text for the client turns those of other sets, and characters of four bytes, into question
// marks. Names and texts are UTF-8 without a conversion.
func (*Dialect) ExactTexts() string { return "SET SESSION character_set_results = NULL" }

// ReplicaGlobals are the global variables that every server of a pair needs, apart from
// its ids, with their values.
func (d *Dialect) ReplicaGlobals() map[string]string {
	globals := map[string]string{
		"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "sync_binlog": "1",
		"innodb_flush_log_at_trx_commit": "1", "bind_address": "*", "skip_networking": "OFF",
		d.LogsReplicated(): "ON",
	}
	if d.isMariaDB() {
		globals["gtid_strict_mode"] = "ON"
		globals["log_bin_compress"] = "OFF"
	} else {
		globals["gtid_mode"], globals["enforce_gtid_consistency"] = "ON", "ON"
		globals["binlog_row_value_options"] = ""
	}
	return globals
}

// PassiveGlobals are the global variables, with their values, of a server that starts on
// another server's files: it refuses writes, runs no event and follows no link of the
// other server.
func (d *Dialect) PassiveGlobals() map[string]string {
	return map[string]string{"event_scheduler": "OFF", d.FenceVariables()[0]: "ON", d.skipReplicaStart(): "ON"}
}

// NameCaseIsFixed reports whether the initialisation of the data directory fixes
// lower_case_table_names. MySQL 8 does not start with another value later.
func (d *Dialect) NameCaseIsFixed() bool { return !d.isMariaDB() }

// FreshStatistics are the settings of a session that reads the present sizes and counters
// of tables. MySQL otherwise caches them in information_schema for a day.
func (d *Dialect) FreshStatistics() []string {
	if d.isMariaDB() {
		return nil
	}
	return []string{"SET SESSION information_schema_stats_expiry = 0"}
}

// NoLimits is the statement that lifts, for one session, the limits that a site may have
// set on long statements and transactions.
func (d *Dialect) NoLimits() string {
	if d.isMariaDB() {
		return "SET SESSION max_statement_time = 0, idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0"
	}
	return "SET SESSION max_execution_time = 0"
}

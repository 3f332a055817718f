package dialect

// TellsSessionVariables reports whether the server tells the variables of every
// session (performance_schema.variables_by_thread). MariaDB does not.
func (d *Dialect) TellsSessionVariables() bool { return !d.isMariaDB() }

// ListPrepared lists prepared transactions (XA) in a notation that XA COMMIT can be
// made of: MariaDB prints it whole, MySQL prints the parts in hex.
func (d *Dialect) ListPrepared() string {
	if d.isMariaDB() {
		return "XA RECOVER FORMAT='SQL'"
	}
	return "XA RECOVER CONVERT XID"
}

// ListMetadataLocks lists the metadata locks on tables: columns id (of the
// session), object, held. MariaDB lists in information_schema, by a plugin, what is
// held; a session that waits holds a weaker lock on the same table.
func (d *Dialect) ListMetadataLocks() string {
	if d.isMariaDB() {
		return `SELECT THREAD_ID AS id, CONCAT_WS('.', TABLE_SCHEMA, TABLE_NAME) AS object, 1 AS held
			FROM information_schema.METADATA_LOCK_INFO WHERE TABLE_NAME <> ''`
	}
	return `SELECT t.PROCESSLIST_ID AS id, CONCAT_WS('.', m.OBJECT_TYPE, m.OBJECT_SCHEMA, m.OBJECT_NAME) AS object, m.LOCK_STATUS = 'GRANTED' AS held
		FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID
		WHERE m.OBJECT_TYPE = 'TABLE' AND t.PROCESSLIST_ID IS NOT NULL`
}

// CountKeyManagement counts what gives the server the keys of encrypted tables: a
// plugin on MariaDB, a component on MySQL.
func (d *Dialect) CountKeyManagement() string {
	if d.isMariaDB() {
		return "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'ENCRYPTION' AND PLUGIN_STATUS = 'ACTIVE'"
	}
	return "SELECT COUNT(*) FROM performance_schema.keyring_component_status WHERE STATUS_KEY = 'Component_status' AND STATUS_VALUE = 'Active'"
}

// TimeZonePrograms are the program that prints the machine's time zones as
// statements, and the command line client that runs them.
func (d *Dialect) TimeZonePrograms() (printer, client string) {
	if d.isMariaDB() {
		return "mariadb-tzinfo-to-sql", "mariadb"
	}
	return "mysql_tzinfo_to_sql", "mysql"
}

// LogsCascades reports whether the rows that a foreign key changes are in the
// binlog of a server with the given variables: on MySQL from 9.6 on, unless it
// leaves foreign keys to InnoDB (innodb_native_foreign_keys).
func (d *Dialect) LogsCascades(variables map[string]string) bool {
	return !d.isMariaDB() && d.atLeast(9, 6, 0) && !IsOn(variables["innodb_native_foreign_keys"])
}

package dialect

// TellsSessionVariables reports whether the server shows the variables of every session
// (performance_schema.variables_by_thread). MariaDB does not.
func (d *Dialect) TellsSessionVariables() bool { return !d.isMariaDB() }

// ListPrepared is the statement that lists prepared transactions (XA): columns formatID,
// gtrid_length, data. The data are the bytes of both parts of the id: as they are on MariaDB,
// on MySQL in hex with 0x before.
func (d *Dialect) ListPrepared() string {
	if d.isMariaDB() {
		return "XA RECOVER"
	}
	return "XA RECOVER CONVERT XID"
}

// PlainTransactions is the query for the sessions whose open transaction is known to be none
// of XA: column id. On MariaDB, and on MySQL where performance_schema does not watch
// transactions, it returns fewer or none.
func (d *Dialect) PlainTransactions() string {
	return `SELECT t.PROCESSLIST_ID AS id FROM performance_schema.events_transactions_current e
		JOIN performance_schema.threads t USING (THREAD_ID)
		WHERE e.STATE = 'ACTIVE' AND (e.XA_STATE IS NULL OR e.XA_STATE = 'NOTXA') AND t.PROCESSLIST_ID IS NOT NULL`
}

// FenceStopsXA reports whether a fence refuses XA COMMIT. MariaDB's read_only does;
// MySQL's super_read_only refuses neither XA PREPARE nor XA COMMIT.
func (d *Dialect) FenceStopsXA() bool { return d.isMariaDB() }

// ListMetadataLocks is the query for the metadata locks on tables: columns id (of the
// session), object, held. MariaDB's plugin lists the locks that are held; a session that
// waits for a lock holds a weaker one on the same table.
func (d *Dialect) ListMetadataLocks() string {
	if d.isMariaDB() {
		return `SELECT THREAD_ID AS id, CONCAT_WS('.', TABLE_SCHEMA, TABLE_NAME) AS object, 1 AS held
			FROM information_schema.METADATA_LOCK_INFO WHERE TABLE_NAME <> ''`
	}
	return `SELECT t.PROCESSLIST_ID AS id, CONCAT_WS('.', m.OBJECT_TYPE, m.OBJECT_SCHEMA, m.OBJECT_NAME) AS object, m.LOCK_STATUS = 'GRANTED' AS held
		FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID
		WHERE m.OBJECT_TYPE = 'TABLE' AND t.PROCESSLIST_ID IS NOT NULL`
}

// CountKeyManagement is the query for the number of active plugins (MariaDB) or
// components (MySQL) that supply the keys of encrypted tables.
func (d *Dialect) CountKeyManagement() string {
	if d.isMariaDB() {
		return "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'ENCRYPTION' AND PLUGIN_STATUS = 'ACTIVE'"
	}
	return "SELECT COUNT(*) FROM performance_schema.keyring_component_status WHERE STATUS_KEY = 'Component_status' AND STATUS_VALUE = 'Active'"
}

// TimeZonePrograms are the program that prints the host's time zones as statements, and
// the command line client that runs the statements.
func (d *Dialect) TimeZonePrograms() (printer, client string) {
	if d.isMariaDB() {
		return "mariadb-tzinfo-to-sql", "mariadb"
	}
	return "mysql_tzinfo_to_sql", "mysql"
}

// LogsCascades reports whether a server with the given variables logs the rows that a
// foreign key changes. MySQL does from 9.6 on, unless it leaves foreign keys to InnoDB
// (innodb_native_foreign_keys).
func (d *Dialect) LogsCascades(variables map[string]string) bool {
	return !d.isMariaDB() && d.atLeast(9, 6, 0) && !IsOn(variables["innodb_native_foreign_keys"])
}

// ListChecks is the query for the CHECKs of a table, whose schema and name are its
// arguments: columns name and clause. MySQL tells which are not enforced.
func (d *Dialect) ListChecks() string {
	if d.isMariaDB() {
		return "SELECT CONSTRAINT_NAME AS name, CHECK_CLAUSE AS clause FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?"
	}
	return `SELECT c.CONSTRAINT_NAME AS name, CONCAT(c.CHECK_CLAUSE, IF(t.ENFORCED = 'NO', ' NOT ENFORCED', '')) AS clause
		FROM information_schema.CHECK_CONSTRAINTS c JOIN information_schema.TABLE_CONSTRAINTS t USING (CONSTRAINT_SCHEMA, CONSTRAINT_NAME)
		WHERE t.TABLE_SCHEMA = ? AND t.TABLE_NAME = ?`
}

// SchemaOptions is the query for the options of all schemas as CREATE DATABASE takes them:
// columns name and options.
func (d *Dialect) SchemaOptions() string {
	options := "CONCAT('CHARACTER SET ', DEFAULT_CHARACTER_SET_NAME, ' COLLATE ', DEFAULT_COLLATION_NAME"
	switch {
	case !d.isMariaDB() && d.atLeast(8, 0, 16):
		options += ", IF(DEFAULT_ENCRYPTION = 'YES', ' DEFAULT ENCRYPTION ''Y''', '')"
	case d.isMariaDB():
		options += ", IF(SCHEMA_COMMENT <> '', CONCAT(' COMMENT ', QUOTE(SCHEMA_COMMENT)), '')"
	}
	return "SELECT SCHEMA_NAME AS name, " + options + ") AS options FROM information_schema.SCHEMATA"
}

// ReadOnlySchemas is the query for schemas that are read only: MySQL since 8.0.22, in no log.
func (d *Dialect) ReadOnlySchemas() string {
	if d.isMariaDB() || !d.atLeast(8, 0, 22) {
		return "SELECT '' FROM DUAL WHERE FALSE"
	}
	return "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA_EXTENSIONS WHERE OPTIONS LIKE '%READ ONLY=1%' ORDER BY 1"
}

// Installed is the query for what is installed on a server and programs or columns may
// need: functions of libraries, and MySQL's spatial reference systems. Columns title and
// definition.
func (d *Dialect) Installed() string {
	functions := "SELECT CONCAT('function ', name, ' of ', dl) AS title, CONCAT_WS(' ', ret, type) AS definition FROM mysql.func"
	if d.isMariaDB() {
		return functions
	}
	return functions + ` UNION ALL SELECT CONCAT('spatial reference system ', SRS_ID), SHA2(CONCAT_WS('|', SRS_NAME, ORGANIZATION, ORGANIZATION_COORDSYS_ID, DEFINITION), 256)
		FROM information_schema.ST_SPATIAL_REFERENCE_SYSTEMS`
}

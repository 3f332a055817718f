package dialect

import (
	"time"
)

// FilesMethod is the method that brings a server's files to another host.
type FilesMethod string

// The methods.
const (
	// MariaDBBackup streams the files from the source's host to the target's, where they
	// become a data directory.
	MariaDBBackup FilesMethod = "mariadb-backup"
	// ClonePlugin lets the target's server fetch the files itself.
	ClonePlugin FilesMethod = "clone"
)

// FilesMethod returns the flavor's method. MariaDB has no plugin clone.
func (f Flavor) FilesMethod() FilesMethod {
	if f == MariaDB {
		return MariaDBBackup
	}
	return ClonePlugin
}

// SeedSpeed estimates the duration of a seed.
type SeedSpeed struct {
	fixed time.Duration // for any size
	rate  int64         // bytes of the source's InnoDB files a second
}

// Takes is the duration of a seed of so many bytes that reads at most limit bytes a
// second; limit 0 is no limit.
func (s SeedSpeed) Takes(bytes, limit int64) time.Duration {
	rate := s.rate
	if limit > 0 {
		rate = min(rate, limit)
	}
	return s.fixed + time.Duration(float64(bytes)/float64(rate)*float64(time.Second))
}

// SeedSpeeds are the speeds of a seed by files and by rows. They are measured on two busy
// cores without a network between, by MIGRATE_BENCH_MB=400 make bench ONLY=seed (see
// docs/benchmarks.md: 877 MiB of MariaDB's files in 20 to 28 s, its rows in 16 to 19 s;
// 860 MiB of MySQL's files in 27 to 29 s, its rows in about six sevenths of that: 10.0 and
// 11.7 s on idle cores). They are good enough to choose a method, not to promise a
// duration. The fixed part of a seed by files is the recovery, a stop and a start of the
// server.
func (f Flavor) SeedSpeeds() (files, rows SeedSpeed) {
	if f == MariaDB {
		return SeedSpeed{8 * time.Second, 60 << 20}, SeedSpeed{2 * time.Second, 50 << 20}
	}
	return SeedSpeed{10 * time.Second, 48 << 20}, SeedSpeed{2 * time.Second, 38 << 20}
}

// FilesFit reports whether a server of d's version can run on from's files. CLONE works
// between the releases of a series since 8.0.37, and before only between equal releases:
// dev.mysql.com/doc/refman/8.0/en/clone-plugin-remote.html.
func (d *Dialect) FilesFit(from *Dialect) bool {
	same := d.SameFlavor(from) && d.Series() == from.Series()
	if same && !from.isMariaDB() && from.Series() == "8.0" {
		same = from.version == d.version || from.atLeast(8, 0, 37) && d.atLeast(8, 0, 37)
	}
	return same && !d.OlderThan(from)
}

// FileSettings are the variables that set the format and the paths of InnoDB's files. They
// must be equal on both servers of a seed by files.
func (d *Dialect) FileSettings() []string {
	settings := []string{"innodb_page_size", "lower_case_table_names", "innodb_data_file_path"}
	if d.isMariaDB() {
		settings = append(settings, "innodb_undo_tablespaces") // it has no effect on MySQL since 8.0.14
	}
	return settings
}

// SumFileSizes is the query for the size of InnoDB's files in bytes.
func (d *Dialect) SumFileSizes() string {
	table := "INNODB_TABLESPACES"
	if d.isMariaDB() {
		table = "INNODB_SYS_TABLESPACES"
	}
	return "SELECT CAST(IFNULL(SUM(FILE_SIZE), 0) AS UNSIGNED) FROM information_schema." + table + " WHERE NAME <> 'innodb_temporary'"
}

// ListEncrypted is the query for the names of the encrypted tablespaces.
func (d *Dialect) ListEncrypted() string {
	if d.isMariaDB() {
		return "SELECT NAME FROM information_schema.INNODB_TABLESPACES_ENCRYPTION WHERE ENCRYPTION_SCHEME <> 0 ORDER BY 1"
	}
	return "SELECT NAME FROM information_schema.INNODB_TABLESPACES WHERE ENCRYPTION = 'Y' ORDER BY 1"
}

// ListOutsideFiles is the query for InnoDB's files outside of the data directory.
func (d *Dialect) ListOutsideFiles() string {
	if d.isMariaDB() {
		return "SELECT FILENAME FROM information_schema.INNODB_SYS_TABLESPACES WHERE FILENAME LIKE '/%' OR FILENAME LIKE '../%' ORDER BY 1"
	}
	return "SELECT PATH FROM information_schema.INNODB_DATAFILES WHERE PATH LIKE '/%' OR PATH LIKE '../%' ORDER BY 1"
}

// FilesOnly is the query for tables that only a copy of the server's files keeps as they
// are: title and reason. MariaDB's are temporal columns in the format before 10.1.2, MySQL's
// are in general tablespaces, which the target has not.
func (d *Dialect) FilesOnly() string {
	if d.isMariaDB() {
		return `SELECT DISTINCT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) AS title, 'columns in the old temporal format (ALTER TABLE … FORCE)' AS why
			FROM information_schema.COLUMNS WHERE COLUMN_TYPE LIKE '%/* mariadb-5.3 */%' AND TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') ORDER BY 1`
	}
	return `SELECT REPLACE(t.NAME, '/', '.') AS title, CONCAT('in the tablespace ', s.NAME, ' (ALTER TABLE … TABLESPACE innodb_file_per_table)') AS why
		FROM information_schema.INNODB_TABLES t JOIN information_schema.INNODB_TABLESPACES s USING (SPACE)
		WHERE s.SPACE_TYPE = 'General' AND s.NAME <> 'mysql' ORDER BY 1`
}

// PrintedOtherwise is the query for columns whose printed definition may stand for another
// one, because it has question marks: columns s, t, c, kind, what, printed. Only of a default
// can the server tell the value itself.
func (d *Dialect) PrintedOtherwise() string {
	const (
		columns = ` FROM information_schema.COLUMNS WHERE TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
			AND CHARACTER_SET_NAME IN ('utf8mb4', 'utf16', 'utf16le', 'utf32', 'gb18030') AND `
		labels = `SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, COLUMN_NAME AS c, 'label' AS kind, CONCAT('a label of ', COLUMN_NAME) AS what, '' AS printed` +
			columns + `DATA_TYPE IN ('enum', 'set') AND COLUMN_TYPE LIKE '%?%'`
	)
	if d.isMariaDB() {
		return labels + ` UNION ALL SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, 'default', CONCAT('the default of ', COLUMN_NAME), COLUMN_DEFAULT` +
			columns + `DATA_TYPE NOT IN ('enum', 'set') AND COLUMN_DEFAULT LIKE '''%?%''' ORDER BY 1, 2, 3`
	}
	return labels + ` ORDER BY 1, 2, 3`
}

// EncryptionVariables are the variables that encrypt logs and other files that are not
// tablespaces.
func (d *Dialect) EncryptionVariables() []string {
	if d.isMariaDB() {
		return []string{"innodb_encrypt_log", "aria_encrypt_tables"}
	}
	return []string{"innodb_redo_log_encrypt", "innodb_undo_log_encrypt"}
}

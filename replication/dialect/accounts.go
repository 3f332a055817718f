package dialect

import (
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// AdminPrivileges are the privileges that a login needs to change settings, links and
// fences.
func (d *Dialect) AdminPrivileges() []string {
	if d.isMariaDB() {
		return []string{
			"SUPER", "BINLOG MONITOR", "BINLOG ADMIN", "SLAVE MONITOR", "REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN",
			"READ_ONLY ADMIN", "CONNECTION ADMIN", "SET USER",
		}
	}
	definer := "SET_USER_ID"
	if d.atLeast(8, 2, 0) {
		definer = "SET_ANY_DEFINER"
	}
	return []string{
		"REPLICATION CLIENT", "BACKUP_ADMIN", "CONNECTION_ADMIN", "PERSIST_RO_VARIABLES_ADMIN", "REPLICATION_SLAVE_ADMIN",
		definer, "SYSTEM_USER", "SYSTEM_VARIABLES_ADMIN", "XA_RECOVER_ADMIN",
	}
}

// SeedPrivileges are the privileges that a seed needs on the source: to read the rows,
// the definitions, the accounts (in the schema mysql), the prepared transactions and the
// binlog, to lock for a snapshot, and to list the replicas.
func (d *Dialect) SeedPrivileges() string {
	const common = "SELECT, RELOAD, PROCESS, SHOW DATABASES, SHOW VIEW, TRIGGER, EVENT, REPLICATION SLAVE"
	if d.isMariaDB() {
		return common + ", BINLOG MONITOR, REPLICATION MASTER ADMIN"
	}
	return common + ", REPLICATION CLIENT, SHOW_ROUTINE, XA_RECOVER_ADMIN"
}

// BinlogBypass lists the privileges that let a session stay out of the binlog, or
// log statements: BINLOG ADMIN, and SUPER before 10.11. The names are MariaDB's. MySQL
// shows the settings of each session instead (see TellsSessionVariables).
func (d *Dialect) BinlogBypass() []string {
	if d.atLeast(10, 11, 0) {
		return []string{"BINLOG ADMIN"}
	}
	return []string{"BINLOG ADMIN", "SUPER"}
}

// ReadableHashes are the settings of a session that reads the statements of accounts. A
// caching_sha2 hash holds arbitrary bytes; with the setting MySQL prints them in hex.
func (d *Dialect) ReadableHashes() []string {
	if d.isMariaDB() {
		return nil
	}
	return []string{"SET SESSION print_identified_with_as_hex = 1"}
}

// ListAccounts is the query for users and roles, roles first: columns user, host,
// is_role. On MySQL roles are users.
func (d *Dialect) ListAccounts() string {
	if d.isMariaDB() {
		return "SELECT User AS user, Host AS host, is_role FROM mysql.user ORDER BY is_role DESC, 1, 2"
	}
	return "SELECT User AS user, Host AS host, 'N' AS is_role FROM mysql.user ORDER BY 1, 2"
}

// ListAuthentications is the query for how accounts log in, without any hash: columns
// user, host, plugin, others (a JSON list of further plugins), and detail (PAM's service,
// or the host's user). Only a MariaDB account has several plugins.
func (d *Dialect) ListAuthentications() string {
	if d.isMariaDB() {
		return `SELECT User AS user, Host AS host, COALESCE(JSON_VALUE(Priv, '$.plugin'), '') AS plugin,
			COALESCE(JSON_EXTRACT(Priv, '$.auth_or[*].plugin'), '[]') AS others,
			IF(JSON_VALUE(Priv, '$.plugin') IN ('unix_socket', 'pam'), COALESCE(JSON_VALUE(Priv, '$.authentication_string'), ''), '') AS detail
			FROM mysql.global_priv WHERE Host <> ''`
	}
	return `SELECT User AS user, Host AS host, plugin AS plugin, '[]' AS others,
		IF(plugin IN ('auth_socket', 'authentication_pam'), authentication_string, '') AS detail
		FROM mysql.user WHERE plugin <> '' AND Host <> ''`
}

// pluginLibraries are the libraries of the authentication plugins that the servers bring.
var pluginLibraries = map[string]string{
	"ed25519": "auth_ed25519", "pam": "auth_pam", "gssapi": "auth_gssapi", "parsec": "auth_parsec",
	"unix_socket": "auth_socket", "auth_socket": "auth_socket.so", "authentication_webauthn": "authentication_webauthn.so",
	"mysql_no_login": "mysql_no_login.so",
}

// InstallPlugin is the statement that loads an authentication plugin, or "" if the servers
// do not bring the plugin.
func (d *Dialect) InstallPlugin(plugin string) string {
	library, ok := pluginLibraries[plugin]
	switch {
	case !ok:
		return ""
	case d.isMariaDB():
		return "INSTALL SONAME " + query.Literal(strings.TrimSuffix(library, ".so"))
	}
	return "INSTALL PLUGIN " + plugin + " SONAME " + query.Literal(library)
}

// HasPublic reports whether privileges can be granted to PUBLIC: MariaDB since 10.11.
func (d *Dialect) HasPublic() bool { return d.isMariaDB() && d.atLeast(10, 11, 0) }

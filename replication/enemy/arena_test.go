package enemy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// arena is two servers that all rounds on a flavor share.
type arena struct {
	t              *testing.T
	flavor         servertest.Flavor
	source, target *servertest.Instance
}

func newArena(t *testing.T, flavor servertest.Flavor) *arena {
	options := []servertest.Option{servertest.Set("event_scheduler", "OFF"), servertest.Set("innodb_lock_wait_timeout", "1")}
	if flavor == servertest.MySQL {
		// As before MySQL 9.6, and on MariaDB, what foreign keys change is not in the log.
		options = append(options, servertest.Set("log_bin_trust_function_creators", "1"), servertest.Set("innodb_native_foreign_keys", "ON"))
	}
	a := &arena{t: t, flavor: flavor}
	a.source, a.target = servertest.StartTwo(t, flavor, options...)
	return a
}

// servers are both, as the index of the side that takes the writes counts them.
func (a *arena) servers() [2]*servertest.Instance { return [2]*servertest.Instance{a.source, a.target} }

func (a *arena) mariadb() bool { return a.flavor == servertest.MariaDB }

// appPrivileges are those of the application's account. None of them passes a fence.
const appPrivileges = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER, REFERENCES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, " +
	"CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER"

// clean makes both servers as they were when they had just been started. It does without
// the code under test.
func (a *arena) clean() {
	for _, s := range []*servertest.Instance{a.source, a.target} {
		a.cleanServer(s)
	}
	session, images := "SESSION_VARIABLES_ADMIN", "XA_RECOVER_ADMIN"
	if a.mariadb() {
		session, images = "BINLOG ADMIN", "SHOW DATABASES"
	}
	a.source.Exec("CREATE USER app@localhost IDENTIFIED BY 'app'", "GRANT "+appPrivileges+" ON *.* TO app@localhost", "GRANT "+session+", "+images+" ON *.* TO app@localhost")
}

func (a *arena) cleanServer(s *servertest.Instance) {
	stop, reset := "STOP REPLICA; RESET REPLICA ALL", "RESET BINARY LOGS AND GTIDS"
	if a.mariadb() {
		stop, reset = "STOP ALL SLAVES; RESET SLAVE ALL", "RESET MASTER; SET GLOBAL gtid_slave_pos = ''"
	}
	for _, pattern := range []string{filepath.Join(s.ConfDir, "*"), filepath.Join(s.Dir, "data?*")} {
		files, err := filepath.Glob(pattern) // option files, and what a seed by files has put aside
		require.NoError(a.t, err)
		for _, file := range files {
			require.NoError(a.t, os.RemoveAll(file))
		}
	}
	a.rollBackPrepared(s)
	statements := strings.Split(stop, "; ")
	if a.mariadb() {
		statements = append(statements, "SET GLOBAL read_only = 0", "SET GLOBAL rpl_semi_sync_master_enabled = 0")
	} else {
		statements = append(statements, "RESET PERSIST", "SET GLOBAL super_read_only = 0", "SET GLOBAL read_only = 0")
	}
	statements = append(statements, "SET GLOBAL event_scheduler = OFF", "SET sql_log_bin = 0", "SET foreign_key_checks = 0")
	for _, name := range strings.Fields(s.Value("SELECT COALESCE(GROUP_CONCAT(HEX(SCHEMA_NAME) SEPARATOR ' '), '') FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN (" + systemSchemas + ")")) {
		statements = append(statements, "DROP DATABASE "+quote(unhex(a.t, name)))
	}
	for _, name := range strings.Fields(s.Value("SELECT COALESCE(GROUP_CONCAT(CONCAT(HEX(User), '@', HEX(Host)) SEPARATOR ' '), '') FROM mysql.user WHERE User NOT IN ('root', 'mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema', 'mysql')")) {
		user, host, _ := strings.Cut(name, "@")
		statements = append(statements, "DROP USER "+text(unhex(a.t, user))+"@"+text(unhex(a.t, host)))
	}
	s.Exec(append(statements, strings.Split(reset, "; ")...)...)
}

// rollBackPrepared ends what a round has left prepared.
func (a *arena) rollBackPrepared(s *servertest.Instance) {
	for _, id := range a.preparedOn(s) {
		s.Exec("XA ROLLBACK " + text(id))
	}
}

// preparedOn lists the transactions that are prepared on a server.
func (a *arena) preparedOn(s *servertest.Instance) (ids []string) {
	rows, err := s.Root().Query("XA RECOVER")
	require.NoError(a.t, err)
	defer rows.Close()
	for rows.Next() {
		var format, global, branch int
		var data string
		require.NoError(a.t, rows.Scan(&format, &global, &branch, &data))
		ids = append(ids, data)
	}
	require.NoError(a.t, rows.Err())
	return ids
}

// pair is the servers as migrate sees them, for one round.
func (a *arena) pair() replication.Pair {
	return replication.Pair{
		Name:   "main",
		Source: replicationtest.Server(a.t, a.source, replication.Source, remote.NewLocal("source")),
		Target: replicationtest.Server(a.t, a.target, replication.Target, remote.NewLocal("target")),
	}
}

// of is the server of a side.
func (a *arena) of(side replication.Side) *servertest.Instance {
	if side == replication.Source {
		return a.source
	}
	return a.target
}

const systemSchemas = "'mysql', 'information_schema', 'performance_schema', 'sys'"

// quote returns a name as an identifier in statements of the enemy's own sessions.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// text returns a literal that every sql_mode reads alike: it must have no backslash.
func text(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

func unhex(t *testing.T, digits string) string {
	var out []byte
	for pair := range slices.Chunk([]byte(digits), 2) {
		var b byte
		_, err := fmt.Sscanf(string(pair), "%02X", &b)
		require.NoError(t, err)
		out = append(out, b)
	}
	return string(out)
}

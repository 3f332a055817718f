package preflight

import (
	"time"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// hazardCases are in the order of docs/hazards.md. Hazards that need another start of a
// server have their own tests.
var hazardCases = []hazardCase{
	{
		name: "H4 statements", source: []string{"SET GLOBAL binlog_format = 'STATEMENT'"}, undo: []string{"SET GLOBAL binlog_format = 'ROW'"},
		severity: Refuse, want: []string{"H4 main (source): binlog_format", "SET GLOBAL binlog_format = 'ROW'"},
	},
	{
		name: "H4 images in part", target: []string{"SET GLOBAL binlog_row_image = 'MINIMAL'"}, reset: []string{"SET GLOBAL binlog_row_image = 'FULL'"},
		severity: Refuse, want: []string{"H4 main (target): binlog_row_image", "'FULL'"},
	},
	{
		name: "H4 partial JSON", flavor: servertest.MySQL,
		source: []string{"SET GLOBAL binlog_row_value_options = 'PARTIAL_JSON'"}, undo: []string{"SET GLOBAL binlog_row_value_options = ''"},
		severity: Refuse, want: []string{"H4 main (source): binlog_row_value_options", "= ''"},
	},
	{
		name: "H4 a session that logs statements", flavor: servertest.MySQL, make: inSession("SET SESSION binlog_format = 'STATEMENT'"),
		severity: Refuse, want: []string{"H4 main (source): a session has set binlog_format", "(root from localhost", "KILL "},
	},
	{
		name: "H24 a session past the binlog", flavor: servertest.MySQL, make: inSession("SET SESSION sql_log_bin = 0"),
		severity: Refuse, want: []string{"H24 main (source): a session has set sql_log_bin", "KILL "},
	},
	{
		name: "H24 accounts that may write past the binlog", flavor: servertest.MariaDB,
		source:   []string{"CREATE USER etl@'%' IDENTIFIED BY 'x'", "GRANT BINLOG ADMIN ON *.* TO etl@'%'"},
		severity: Warn, want: []string{"H24 main (source)", "'etl'@'%'", "REVOKE BINLOG ADMIN"}, undo: []string{"DROP USER etl@'%'"},
	},
	{
		name: "H7 no key", source: []string{"CREATE TABLE app.k (a INT, b INT, UNIQUE KEY (a))", "CREATE TABLE app.u (a INT NOT NULL, UNIQUE KEY (a))"},
		severity: Warn, want: []string{"H7 main (source): 1 tables", "app.k", "add a primary key"}, undo: []string{"DROP TABLE app.k", "DROP TABLE app.u"},
	},
	{
		name: "H7 in way dual", opts: Options{Dual: true}, source: []string{"CREATE TABLE app.k (a INT)"},
		severity: Refuse, want: []string{"H7 main (source)", "app.k"}, undo: []string{"DROP TABLE app.k"},
	},
	{
		name: "H9 a definer that is not there", source: []string{"CREATE USER gone@'%'", "CREATE DEFINER=gone@'%' VIEW app.v AS SELECT 1", "DROP USER gone@'%'"},
		severity: Warn, want: []string{"H9 main (source)", "view app.v (definer gone@%)"}, undo: []string{"DROP VIEW app.v"},
	},
	{
		name: "H10 cascades", flavor: servertest.MariaDB,
		source:   []string{"CREATE TABLE app.c (id INT PRIMARY KEY, p BIGINT, FOREIGN KEY (p) REFERENCES app.notes (id) ON DELETE CASCADE)"},
		severity: Warn, want: []string{"H10 main (source): cascades are re-enacted", "app.c"}, undo: []string{"DROP TABLE app.c"},
	},
	{
		name: "H11 one server_id", target: []string{"SET GLOBAL server_id = 4242"}, source: []string{"SET GLOBAL server_id = 4242"}, make: restoreIDs,
		severity: Refuse, want: []string{"H11 main (target): server_id is 4242 on both sides"},
	},
	{name: "H11 no server_id", flavor: servertest.MySQL, source: []string{"SET GLOBAL server_id = 0"}, make: restoreIDs, severity: Refuse, want: []string{"H11 main (source): server_id is 0"}},
	{
		name: "H11 the id of another replica", make: asReplica, severity: Refuse,
		want: []string{"H11 main (target): another replica of the source", "give the target another server_id"},
	},
	{
		name: "H12 no GTIDs", flavor: servertest.MySQL, source: []string{"SET GLOBAL gtid_mode = ON_PERMISSIVE"}, undo: []string{"SET GLOBAL gtid_mode = ON"},
		severity: Refuse, want: []string{"H12 main (source): gtid_mode", "ON_PERMISSIVE"},
	},
	{
		name: "H12 a source that replicates", flavor: servertest.MariaDB,
		source:   []string{"CHANGE MASTER TO MASTER_HOST='10.9.9.9', MASTER_USER='other', MASTER_USE_GTID=slave_pos"},
		severity: Refuse, want: []string{"H12 main (source): it replicates from 10.9.9.9:3306"}, undo: []string{"RESET SLAVE ALL"},
	},
	{
		name: "H12 a source that replicates", flavor: servertest.MySQL,
		source:   []string{"CHANGE REPLICATION SOURCE TO SOURCE_HOST='10.9.9.9', SOURCE_USER='other', SOURCE_AUTO_POSITION=1"},
		severity: Refuse, want: []string{"H12 main (source): it replicates from 10.9.9.9:3306"}, undo: []string{"RESET REPLICA ALL"},
	},
	{
		name: "H13 one domain", flavor: servertest.MariaDB, make: oneDomain, severity: Refuse, want: []string{"H13 main (target): gtid_domain_id is 77"},
	},
	{
		name: "H14 accounts that pass the fence", flavor: servertest.MariaDB, source: []string{"CREATE USER boss@'%'", "GRANT READ_ONLY ADMIN ON *.* TO boss@'%'"},
		severity: Refuse, want: []string{"H14 main (source)", "'boss'@'%'", "REVOKE READ_ONLY ADMIN", "KILL USER 'boss'"}, undo: []string{"DROP USER boss@'%'"},
	},
	{
		name: "H15 a transaction", opts: Options{FenceWait: time.Millisecond}, make: inSession("BEGIN", "INSERT INTO app.notes (text) VALUES ('open')"),
		severity: Warn, want: []string{"H15 main (source): a transaction has run for ", "a fence waits 1ms", "KILL "},
	},
	{
		name: "H15 a statement", opts: Options{FenceWait: time.Millisecond}, make: busyWith("SELECT SLEEP(30)"),
		severity: Warn, want: []string{"H15 main (source): a statement has run for ", "KILL "},
	},
	{
		name: "H15 prepared transactions", source: []string{"XA START 'one', 'x', 7", "INSERT INTO app.notes (text) VALUES ('xa')", "XA END 'one', 'x', 7", "XA PREPARE 'one', 'x', 7"},
		severity: Warn, want: []string{"H15 main (source): 1 transactions are prepared", "XA COMMIT 'one','x',7"}, undo: []string{"XA ROLLBACK 'one', 'x', 7"},
	},
	{
		name: "H16 a metadata lock", make: metadataLock, severity: Warn,
		want: []string{"H16 main (source): session ", "waiting for table metadata lock", "held by ", "KILL "},
	},
	{name: "H17 sql_mode", target: []string{"SET GLOBAL sql_mode = 'ANSI'"}, make: restoreMode, severity: Refuse, want: []string{"H17 main (target): sql_mode is"}},
	{
		name: "H17 isolation", target: []string{"SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE"}, reset: []string{"SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ"},
		severity: Refuse, want: []string{"H17 main (target): transaction_isolation is \"SERIALIZABLE\""},
	},
	{
		name: "H17 packets", target: []string{"SET GLOBAL max_allowed_packet = 1048576"}, make: restorePacket,
		severity: Refuse, want: []string{"H17 main (target): max_allowed_packet is \"1048576\""},
	},
	{
		name: "H17 what clients notice", target: []string{"SET GLOBAL wait_timeout = 77"}, reset: []string{"SET GLOBAL wait_timeout = 28800"},
		severity: Warn, want: []string{"H17 main (target): wait_timeout is \"77\"", "SET GLOBAL wait_timeout"},
	},
	{
		name: "H17 character set of clients", target: []string{"SET GLOBAL character_set_client = latin1"}, reset: []string{"SET GLOBAL character_set_client = utf8mb4"},
		severity: Warn, want: []string{"H17 main (target): character_set_client is \"latin1\""},
	},
	{
		name: "H17 a primary key is required", flavor: servertest.MySQL, source: []string{"CREATE TABLE app.k (a INT)"}, undo: []string{"DROP TABLE app.k"},
		target: []string{"SET GLOBAL sql_require_primary_key = 1"}, reset: []string{"SET GLOBAL sql_require_primary_key = 0"},
		severity: Refuse, want: []string{"H17 main (target): sql_require_primary_key is on", "app.k"},
	},
	{
		name: "H17 a primary key is required", flavor: servertest.MariaDB, source: []string{"CREATE TABLE app.k (a INT)"}, undo: []string{"DROP TABLE app.k"},
		target: []string{"SET GLOBAL innodb_force_primary_key = 1"}, reset: []string{"SET GLOBAL innodb_force_primary_key = 0"},
		severity: Refuse, want: []string{"H17 main (target): innodb_force_primary_key is on", "app.k"},
	},
	{
		name:     "H17 time zones by name",
		source:   []string{"SET sql_log_bin = 0", "INSERT INTO mysql.time_zone_name VALUES ('Here/There', 1)"},
		severity: Warn, want: []string{"H17 main (target): it knows no time zones by name", "tzinfo"}, undo: []string{"DELETE FROM mysql.time_zone_name"},
	},
	{
		name: "H17 time zones by name in a program",
		source: []string{
			"SET sql_log_bin = 0", "INSERT INTO mysql.time_zone_name VALUES ('Here/There', 1)",
			"CREATE FUNCTION app.there() RETURNS DATETIME DETERMINISTIC SQL SECURITY INVOKER RETURN CONVERT_TZ('2026-01-01', 'UTC', 'Here/There')",
		},
		severity: Refuse, want: []string{"these name some: function app.there"}, undo: []string{"DELETE FROM mysql.time_zone_name", "DROP FUNCTION app.there"},
	},
	{
		name: "H18 a filter", flavor: servertest.MariaDB, target: []string{"SET GLOBAL replicate_do_db = 'x'"}, reset: []string{"SET GLOBAL replicate_do_db = ''"},
		severity: Refuse, want: []string{"H18 main (target): replicate_do_db is set: x", "SET GLOBAL replicate_do_db = ''"},
	},
	{
		name: "H18 a filter", flavor: servertest.MySQL, target: []string{"CHANGE REPLICATION FILTER REPLICATE_DO_DB = (x)"}, reset: []string{"CHANGE REPLICATION FILTER REPLICATE_DO_DB = ()"},
		severity: Refuse, want: []string{"H18 main (target): replicate_do_db is set: x", "REPLICATE_DO_DB = ()"},
	},
	{name: "H19 no room for the binlog", make: hugeBinlog, severity: Refuse, want: []string{"H19 main (source): the binlog grows by ", "less than a day", "make room for"}},
	{
		name: "H19 a seed that outlasts the binlog", opts: Options{SeedRate: 1}, make: hugeTable,
		severity: Refuse, want: []string{"H19 main (source): the seed of ", "raise databases[].throttle.rate"},
	},
	{name: "H20 a binlog that is not flushed", severity: Warn, want: []string{"H20 main (source): sync_binlog is 0"}},
	{
		name: "H21 other engines", source: []string{"CREATE TABLE app.my (id INT PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE app.csv (id INT NOT NULL) ENGINE=CSV"},
		severity: Refuse, want: []string{"H21 main (source): 2 tables", "app.csv (CSV), app.my (MyISAM)", "ENGINE=InnoDB"}, undo: []string{"DROP TABLE app.my", "DROP TABLE app.csv"},
	},
	{
		name: "H21 a parser that the target has not", flavor: servertest.MySQL,
		source: []string{"INSTALL PLUGIN simple_parser SONAME 'mypluglib.so'", "CREATE TABLE app.ft (id INT PRIMARY KEY, t TEXT, FULLTEXT KEY (t) WITH PARSER simple_parser)"},
		undo:   []string{"DROP TABLE app.ft", "UNINSTALL PLUGIN simple_parser"}, severity: Refuse,
		want: []string{"H21 main (target): it does not know the full-text parsers", "app.ft (simple_parser)"},
	},
	{
		name: "H22 large transactions", make: largeTransaction, severity: Warn, want: []string{"H22 main (source)", "larger than binlog_cache_size"},
		undo: []string{"FLUSH STATUS"},
	},
	{name: "H22 a burst", make: hugeBinlog, severity: Warn, want: []string{"H22 main (source): the binlog has grown by up to "}},
	{
		name: "H23 hidden errors", flavor: servertest.MariaDB, target: []string{"SET GLOBAL slave_exec_mode = 'IDEMPOTENT'"}, reset: []string{"SET GLOBAL slave_exec_mode = 'STRICT'"},
		severity: Refuse, want: []string{"H23 main (target): slave_exec_mode is IDEMPOTENT"},
	},
	{
		name: "H23 hidden errors", flavor: servertest.MySQL, target: []string{"SET GLOBAL replica_exec_mode = 'IDEMPOTENT'"}, reset: []string{"SET GLOBAL replica_exec_mode = 'STRICT'"},
		severity: Refuse, want: []string{"H23 main (target): replica_exec_mode is IDEMPOTENT"},
	},
	{
		name: "H26 a plugin that the target has not", flavor: servertest.MySQL,
		source: []string{"INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'", "CREATE USER sock@localhost IDENTIFIED WITH auth_socket"},
		undo:   []string{"DROP USER sock@localhost", "UNINSTALL PLUGIN auth_socket"}, severity: Refuse,
		want: []string{"H26 main (target): it lacks the authentication plugin auth_socket of 'sock'@'localhost'", "INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'"},
	},
	{
		name: "H26 a plugin that the target has not", flavor: servertest.MariaDB,
		source: []string{"INSTALL SONAME 'auth_ed25519'", "CREATE USER ed@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('x') OR ed25519 USING PASSWORD('x')"},
		undo:   []string{"DROP USER ed@'%'", "UNINSTALL SONAME 'auth_ed25519'"}, severity: Refuse,
		want: []string{"H26 main (target): it lacks the authentication plugin ed25519 of 'ed'@'%'", "INSTALL SONAME 'auth_ed25519'"},
	},
	{
		name: "H26 a user that the target's machine has not", flavor: servertest.MariaDB,
		source: []string{"CREATE USER nobodythere@localhost IDENTIFIED VIA unix_socket"}, undo: []string{"DROP USER nobodythere@localhost"}, severity: Warn,
		want: []string{"H26 main (target): 'nobodythere'@'localhost' logs in as the machine's user nobodythere", "useradd nobodythere"},
	},
	{
		name: "H28 clocks", opts: Options{Now: func() time.Time { return time.Now().Add(time.Hour) }},
		severity: Warn, want: []string{"H28 main (target): its clock is -1h0m0s off"},
	},
	{
		name: "H28 time zones", target: []string{"SET GLOBAL time_zone = '+09:00'"}, reset: []string{"SET GLOBAL time_zone = SYSTEM"},
		severity: Refuse, want: []string{"H28 main (target): NOW() says another time", "timedatectl"},
	},
	{name: "H29 the disk", make: plantedSize, severity: Refuse, want: []string{"H29 main (target): the data of main (source) takes ", "give "}},
	{
		name: "H29 the buffer pool", source: []string{"SET GLOBAL innodb_buffer_pool_size = 268435456"}, undo: []string{"SET GLOBAL innodb_buffer_pool_size = 67108864"},
		severity: Warn, want: []string{"H29 main (target): innodb_buffer_pool_size is 64.0 MiB", "innodb_buffer_pool_size = 268435456"},
	},
	{
		name: "H29 connections", target: []string{"SET GLOBAL max_connections = 50"}, reset: []string{"SET GLOBAL max_connections = 200"},
		severity: Refuse, want: []string{"H17 main (target): max_connections is \"50\""},
	},
	{
		name: "H30 TLS", source: []string{"SET GLOBAL require_secure_transport = 1"}, undo: []string{"SET GLOBAL require_secure_transport = 0"},
		severity: Refuse, want: []string{"H30 main (source): require_secure_transport is on"},
	},
	{
		name: "H30 packets", target: []string{"SET GLOBAL slave_max_allowed_packet = 1048576"}, reset: []string{"SET GLOBAL slave_max_allowed_packet = 1073741824"},
		severity: Refuse, want: []string{"H30 main (target): slave_max_allowed_packet is 1.0 MiB", "SET GLOBAL slave_max_allowed_packet = 1073741824"},
	},
	{name: "H30 nothing listens", make: endpointOf(nil), severity: Refuse, want: []string{"H30 main (source): the way from main (target) to main (source) at 127.0.0.1:", ": refused", "bind_address"}},
	{name: "H30 another server", make: endpointOf(func(p *replicationtest.Pair) int { return p.TargetInstance.Port }), severity: Refuse, want: []string{"H30 main (source): the way from main (target)", "another server answers"}},
	{name: "H30 no server", make: foreignPort, severity: Refuse, want: []string{"H30 main (source): the way from main (target)", "no MySQL server answers"}},
	{name: "H31 a schema that is not there", make: noSchema, severity: Refuse, want: []string{"H31 main (source): there is no schema \"nowhere\""}},
	{
		name: "H32 a schema of migrate's name", source: []string{"CREATE DATABASE migrate", "CREATE VIEW migrate.v AS SELECT 1 AS a"}, undo: []string{"DROP DATABASE migrate"},
		severity: Refuse, want: []string{"H32 main (source): ", "holds view v", "rename the application's schema"},
	},
	{
		name: "H32 an account of a name of migrate's", source: []string{"CREATE USER migrate_reader@'10.%'"}, undo: []string{"DROP USER migrate_reader@'10.%'"},
		severity: Refuse, want: []string{"H32 main (source): ", "'migrate_reader'@'10.%'", "RENAME USER"},
	},
	{name: "H22 LOAD DATA", make: loadData, lasting: true, severity: Warn, want: []string{"H22 main (source): LOAD DATA ran 1 times"}},
}

package verify

// holding is something that a server holds, by the tables of its own catalogues.
type holding struct {
	what   string
	tables []string // of the schema mysql, of either flavor
	// not says why it is not compared; "" is compared.
	not string
}

// holdings is everything that the tables of the schema mysql hold, on either flavor. A test
// reads the lists of real servers: a release with another table fails it.
var holdings = []holding{
	{what: "accounts, roles, their privileges, limits and passwords", tables: []string{
		"user", "global_priv", "db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv", "roles_mapping", "role_edges", "default_roles", "global_grants",
	}},
	{what: "routines and events", tables: []string{"proc", "event"}},
	{what: "servers of CREATE SERVER", tables: []string{"servers"}},
	{what: "functions of libraries", tables: []string{"func"}},
	{
		what: "earlier passwords", tables: []string{"password_history"},
		not: "only hashes of passwords that are no longer in use: password_history and password_reuse_interval begin anew",
	},
	{
		what: "plugins and components", tables: []string{"plugin", "component"},
		not: "they are files of the server's host: those that accounts, columns, parsers or encryption need are looked for at preflight (H21, H26)",
	},
	{
		what: "time zones", tables: []string{"time_zone", "time_zone_leap_second", "time_zone_name", "time_zone_transition", "time_zone_transition_type"},
		not: "they come from the host's tzdata: preflight refuses empty ones where a program names a zone (H17)",
	},
	{
		what: "statistics and costs of the optimizer",
		tables: []string{
			"innodb_index_stats", "innodb_table_stats", "column_stats", "index_stats", "table_stats", "engine_cost", "server_cost",
		},
		not: "each server counts its own; costs that were changed by hand are not moved",
	},
	{
		what: "positions and channels of replication",
		tables: []string{
			"gtid_slave_pos", "gtid_executed", "slave_master_info", "slave_relay_log_info", "slave_worker_info", "ndb_binlog_index",
			"replication_asynchronous_connection_failover", "replication_asynchronous_connection_failover_managed",
			"replication_group_configuration_version", "replication_group_member_actions",
		},
		not: "each server has its own: the links' gates look at them",
	},
	{what: "times of transactions of system-versioned tables", tables: []string{"transaction_registry"}, not: "each server writes its own; only tables versioned by transaction use it"},
	{what: "logs in tables", tables: []string{"general_log", "slow_log"}, not: "they are of what ran on that server"},
	{what: "the server's help texts", tables: []string{"help_category", "help_keyword", "help_relation", "help_topic"}, not: "they come with the server"},
	// What information_schema alone shows.
	{what: "schemas with their options, tables, columns, indexes, keys, checks, partitions, views, triggers, sequences"},
	{what: "spatial reference systems"},
	{what: "globals on which the meaning of statements depends (H17, but for event_scheduler and max_connections)"},
	{what: "other globals", not: "a server may have its own: preflight warns of those that clients may notice (H17)"},
	{what: "resource groups", not: "they bind threads to processors of the host"},
	{what: "schemas that are read only (MySQL)", not: "the option is in no log, and a link could not write there: set it again after the move"},
	{what: "accounts of the server's installation and migrate's own", not: "each server has its own: root of the host, mysql, mariadb.sys, debian-sys-maint and the like"},
}

// notCompared lists what a verify does not compare, each with its reason.
func notCompared() []string {
	var out []string
	for _, h := range holdings {
		if h.not != "" {
			out = append(out, h.what+": "+h.not)
		}
	}
	return out
}

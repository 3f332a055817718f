package servertest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Option changes the server's settings before it starts.
type Option func(settings map[string]string)

// Set gives a variable a value in the server's option file: Set("sync_binlog", "0").
func Set(name, value string) Option {
	return func(settings map[string]string) { settings[name] = value }
}

// Unset leaves a variable at the server's own default.
func Unset(name string) Option {
	return func(settings map[string]string) { delete(settings, name) }
}

// defaults are the settings of every instance: what a pair needs (GTID, full row images,
// distinct ids), and little memory and no fsync, so that many servers fit on a small
// machine. Without fsync a killed server loses nothing; only a power cut would.
func defaults(flavor Flavor, id uint32) map[string]string {
	settings := map[string]string{
		"server_id":                      strconv.FormatUint(uint64(id), 10),
		"bind_address":                   "127.0.0.1",
		"log_bin":                        "binlog",
		"binlog_format":                  "ROW",
		"binlog_row_image":               "FULL",
		"sync_binlog":                    "0",
		"innodb_flush_log_at_trx_commit": "2",
		"innodb_buffer_pool_size":        "64M",
		"innodb_flush_method":            "fsync",
		"max_connections":                "200",
		"character_set_server":           "utf8mb4",
		"local_infile":                   "1",
		"relay_log":                      "relay",
	}
	switch flavor {
	case MariaDB:
		settings["gtid_domain_id"] = settings["server_id"]
		settings["log_slave_updates"] = "1"
		settings["gtid_strict_mode"] = "1"
		settings["innodb_log_file_size"] = "16M"
	case MySQL:
		delete(settings, "binlog_format") // ROW is the default, and naming it is deprecated
		settings["gtid_mode"] = "ON"
		settings["enforce_gtid_consistency"] = "ON"
		settings["log_replica_updates"] = "ON"
		settings["mysqlx"] = "OFF"
		settings["innodb_redo_log_capacity"] = "32M"
		settings["performance_schema"] = "ON"
		settings["innodb_doublewrite"] = "ON"
	}
	return settings
}

// writeConfig writes the option file. The files of ConfDir are read after it and win.
func (s *Instance) writeConfig(program program, settings map[string]string) error {
	all := maps.Clone(settings)
	maps.Copy(all, program.paths())
	maps.Copy(all, map[string]string{
		"datadir":  s.dataDir(),
		"socket":   s.Socket,
		"port":     strconv.Itoa(s.Port),
		"pid_file": filepath.Join(s.Dir, "pid"),
		"tmpdir":   s.Dir,
	})
	if os.Geteuid() == 0 {
		all["user"] = "root" // the user that runs the test owns the data directory
	}
	var b strings.Builder
	b.WriteString("[mysqld]\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s = %s\n", name, all[name])
	}
	fmt.Fprintf(&b, "!includedir %s\n", s.ConfDir)
	return os.WriteFile(filepath.Join(s.Dir, "my.cnf"), []byte(b.String()), 0o644)
}

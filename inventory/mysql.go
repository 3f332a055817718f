package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Variables are the global variables of a server that are captured; a flavor
// or version has only some of them.
var variables = []string{
	"auto_increment_increment", "auto_increment_offset", "binlog_expire_logs_seconds", "binlog_format",
	"binlog_row_image", "bind_address", "character_set_database", "character_set_server", "collation_server",
	"datadir", "default_storage_engine", "default_time_zone", "enforce_gtid_consistency", "event_scheduler",
	"expire_logs_days", "gtid_domain_id", "gtid_mode", "gtid_strict_mode", "innodb_buffer_pool_size",
	"innodb_flush_log_at_trx_commit", "innodb_page_size", "lower_case_table_names", "log_bin",
	"log_replica_updates", "log_slave_updates", "max_allowed_packet", "max_connections", "port", "read_only",
	"require_secure_transport", "server_id", "server_uuid", "skip_networking", "sql_mode", "super_read_only",
	"sync_binlog", "system_time_zone", "time_zone", "transaction_isolation", "tx_isolation", "version",
	"version_comment",
}

// mysql reads what the server answered.
func (p *parser) mysql(socket string) {
	m := &MySQL{Socket: socket, Variables: map[string]string{}}
	p.parse("mysql-variables", func(text string) error {
		return rows(text, 2, func(f []string) error {
			m.Variables[f[0]] = f[1]
			return nil
		})
	})
	m.Version = m.Variables["version"]
	if m.Version == "" {
		return // no server answered: Missing says why
	}
	p.host.MySQL = m
	p.parse("mysql-schemas", func(text string) error {
		return rows(text, 3, func(f []string) error {
			tables, err1 := strconv.Atoi(f[1])
			size, err2 := strconv.ParseInt(f[2], 10, 64)
			m.Schemas = append(m.Schemas, Schema{f[0], tables, size})
			return cmp.Or(err1, err2)
		})
	})
	p.parse("mysql-users", func(text string) error {
		return rows(text, 2, func(f []string) error {
			m.Users = append(m.Users, User{f[0], f[1]})
			return nil
		})
	})
	p.parse("mysql-space", func(text string) error {
		for _, line := range lines(text) {
			if f := dfLine.FindStringSubmatch(line); f != nil {
				kib, err := strconv.ParseInt(f[5], 10, 52)
				m.FreeSpace = kib << 10 / SpaceUnit * SpaceUnit
				return err
			}
		}
		return fmt.Errorf("%.60q is no answer of df", text)
	})
	slices.SortFunc(m.Schemas, func(a, b Schema) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(m.Users, func(a, b User) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Host, b.Host))
	})
}

var batchEscape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\0`, "\x00")

// rows reads the rows of the client's --batch output, of n columns each.
func rows(text string, n int, row func(f []string) error) error {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != n {
			return fmt.Errorf("a row has %d columns, not %d", len(f), n)
		}
		for i := range f {
			f[i] = batchEscape.Replace(f[i])
		}
		if err := row(f); err != nil {
			return fmt.Errorf("read row: %w", err)
		}
	}
	return nil
}

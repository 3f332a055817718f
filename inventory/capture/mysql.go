package capture

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// capturedVariables are the global variables that every move depends on. A flavor or
// version has only some of them.
var capturedVariables = []string{
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

// systemUsers match accounts that a server creates itself or that log in without a
// password: the manifest of secrets omits them.
var systemUsers = regexp.MustCompile(`^(|root|mysql|mariadb\.sys|mysql\.(sys|session|infoschema)|debian-sys-maint|PUBLIC)$`)

// mysql reads the sections of the MySQL or MariaDB server.
func (p *parser) mysql() {
	m := &inventory.MySQL{Socket: p.target.MySQL.Socket, Variables: map[string]string{}}
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
	p.parse("mysql-settings", func(text string) error {
		return rows(text, 3, func(f []string) error {
			m.Settings = append(m.Settings, p.setting("mysql", inventory.Setting{Name: strings.ToLower(f[0]), Value: f[1], Source: f[2]}))
			return nil
		})
	})
	p.parse("mysql-schemas", func(text string) error {
		return rows(text, 4, func(f []string) error {
			tables, err1 := strconv.Atoi(f[1])
			size, err2 := strconv.ParseInt(f[2], 10, 64)
			s := inventory.Schema{Name: f[0], Tables: tables, Size: size}
			if f[3] != "" {
				s.Engines = strings.Split(f[3], ",")
			}
			m.Schemas = append(m.Schemas, s)
			return cmp.Or(err1, err2)
		})
	})
	p.parse("mysql-users", func(text string) error {
		return rows(text, 2, func(f []string) error {
			m.Users = append(m.Users, inventory.User{User: f[0], Host: f[1]})
			if !systemUsers.MatchString(f[0]) {
				p.host.Secrets = append(p.host.Secrets, inventory.Secret{Path: "mysql", Kind: "password", Key: f[0] + "@" + f[1]})
			}
			return nil
		})
	})
	p.parse("mysql-grants", func(text string) error {
		for _, line := range lines(text) {
			m.Grants = append(m.Grants, p.grant(batchEscape.Replace(line)))
		}
		return nil
	})
	p.parse("mysql-replication", func(text string) error {
		m.Replicas = parseUpstreams(text)
		return nil
	})
	p.parse("mysql-replicas", func(text string) error {
		m.Clients = lines(text)
		slices.Sort(m.Clients)
		return nil
	})
	p.mysqlSpace(m)
	sortMySQL(m)
}

// sortMySQL sorts the lists that the server returns in no fixed order.
func sortMySQL(m *inventory.MySQL) {
	slices.SortFunc(m.Settings, func(a, b inventory.Setting) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(m.Schemas, func(a, b inventory.Schema) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(m.Users, func(a, b inventory.User) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Host, b.Host))
	})
	slices.SortFunc(m.Grants, func(a, b inventory.Grant) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Statement, b.Statement))
	})
}

func (p *parser) mysqlSpace(m *inventory.MySQL) {
	p.parse("mysql-space", func(text string) error {
		for _, line := range lines(text) {
			if f := dfLine.FindStringSubmatch(line); f != nil {
				free, err := kibibytes(f[5])
				m.FreeSpace = free / inventory.SpaceUnit * inventory.SpaceUnit
				return err
			}
		}
		return fmt.Errorf("%.60q is no answer of df", text)
	})
}

var grantee = regexp.MustCompile("(?i) TO ((?:`(?:[^`]|``)*`|'(?:[^']|'')*'|\\S+?)(?:@(?:`(?:[^`]|``)*`|'(?:[^']|'')*'|\\S+))?)(?: IDENTIFIED.*?)?( WITH .*| REQUIRE .*)?$")

// grant reads a line of SHOW GRANTS. The host cut off what follows IDENTIFIED; it
// is cut off here, too, if the host did not.
func (p *parser) grant(line string) inventory.Grant {
	line, _ = p.redactor.Command(line)
	g := inventory.Grant{Statement: line}
	if m := grantee.FindStringSubmatchIndex(line); m != nil {
		g.Account = line[m[2]:m[3]]
		g.Statement = line[:m[3]]
		if m[4] >= 0 {
			g.Statement += line[m[4]:m[5]]
		}
	}
	return g
}

// parseUpstreams reads the vertical output of SHOW REPLICA STATUS or SHOW ALL
// SLAVES STATUS.
func parseUpstreams(text string) []inventory.Upstream {
	var all []inventory.Upstream
	for _, line := range lines(text) {
		if strings.HasPrefix(line, "***") {
			all = append(all, inventory.Upstream{Running: true})
			continue
		}
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || len(all) == 0 {
			continue
		}
		u, value := &all[len(all)-1], strings.TrimSpace(value)
		switch strings.NewReplacer("Master_", "Source_", "Slave_", "Replica_").Replace(key) {
		case "Connection_name", "Channel_Name":
			u.Name = value
		case "Source_Host":
			u.Host = value
		case "Source_Port":
			u.Port, _ = strconv.Atoi(value)
		case "Source_User":
			u.User = value
		case "Replica_IO_Running", "Replica_SQL_Running":
			u.Running = u.Running && value == "Yes"
		case "Using_Gtid":
			u.GTID = value != "No"
		case "Auto_Position":
			u.GTID = value == "1"
		}
	}
	slices.SortFunc(all, func(a, b inventory.Upstream) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Host, b.Host))
	})
	return all
}

var batchEscape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\0`, "\x00")

// rows calls row for each row of the client's --batch output, which must have n
// columns.
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

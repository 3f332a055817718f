package show

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/phrase"
)

func (l *tableList) data() {
	l.mysql()
	add(l, "redis", l.host.Redis, func(r inventory.Redis) []string {
		return l.more([]string{r.Address, r.Version, r.Role, r.Upstream, phrase.Size(r.Memory)}, strings.Join(r.Keys, " "))
	}, l.more([]string{"REDIS", "VERSION", "ROLE", "FROM", "MEMORY"}, "DATABASES WITH KEYS")...)
	for _, r := range l.host.Redis {
		l.settings("redis settings", r.Settings)
	}
	for _, pg := range l.host.PostgreSQL {
		add(l, "postgresql", pg.Databases, func(d inventory.PGDatabase) []string {
			return l.more([]string{strconv.Itoa(pg.Port), pg.Version, d.Name, d.Owner, phrase.Size(d.Size)}, d.Encoding)
		}, l.more([]string{"POSTGRESQL PORT", "VERSION", "DATABASE", "OWNER", "SIZE"}, "ENCODING")...)
		addFull(l, "postgresql replicas", pg.Replicas, oneCell, "POSTGRESQL REPLICA")
		l.settings("postgresql settings", pg.Settings)
		addFull(l, "postgresql roles", pg.Roles, func(r inventory.PGRole) []string {
			return []string{r.Name, strings.Join(r.Rights, " "), strings.Join(r.Groups, " ")}
		}, "POSTGRESQL ROLE", "RIGHTS", "MEMBER OF")
	}
}

// settings adds the settings that differ from a server's default. MySQL's own are in
// brief tables too, as the move depends on them.
func (l *tableList) settings(name string, settings []inventory.Setting) {
	addFull(l, name, settings, func(s inventory.Setting) []string {
		return []string{s.Name, s.Value, s.Source}
	}, "NOT DEFAULT", "VALUE", "SET BY")
}

func (l *tableList) mysql() {
	m := l.host.MySQL
	if m == nil {
		return
	}
	rows := [][]string{{"version", m.Version}, {"socket", m.Socket}, {"free space", phrase.Size(m.FreeSpace)}}
	for _, name := range slices.Sorted(maps.Keys(m.Variables)) {
		rows = append(rows, []string{name, m.Variables[name]})
	}
	add(l, "mysql", rows, func(row []string) []string { return row }, "MYSQL", "VALUE")
	add(l, "mysql settings", m.Settings, func(s inventory.Setting) []string {
		return []string{s.Name, s.Value, s.Source}
	}, "NOT DEFAULT", "VALUE", "SET BY")
	add(l, "mysql schemas", m.Schemas, func(s inventory.Schema) []string {
		return []string{s.Name, strconv.Itoa(s.Tables), phrase.Size(s.Size), strings.Join(s.Engines, " ")}
	}, "SCHEMA", "TABLES", "SIZE", "ENGINES")
	add(l, "mysql users", m.Users, func(u inventory.User) []string { return []string{u.User, u.Host} }, "USER", "HOST")
	add(l, "mysql grants", m.Grants, func(g inventory.Grant) []string { return []string{g.Account, g.Statement} }, "ACCOUNT", "GRANT")
	add(l, "mysql replication", m.Replicas, func(u inventory.Upstream) []string {
		return l.more([]string{u.Host, strconv.Itoa(u.Port), strconv.FormatBool(u.Running), strconv.FormatBool(u.GTID)}, u.Name, u.User)
	}, l.more([]string{"REPLICATES FROM", "PORT", "RUNNING", "GTID"}, "NAME", "USER")...)
	addFull(l, "mysql replicas", m.Clients, oneCell, "MYSQL REPLICA")
}

package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
)

// noticed are globals that the application may notice, and that migrate does
// not set on the target: in option files some have other names or none (H17).
var noticed = []string{
	"character_set_client", "character_set_connection", "character_set_results", "collation_connection",
	"character_set_filesystem", "wait_timeout", "interactive_timeout", "innodb_lock_wait_timeout", "lock_wait_timeout",
	"net_read_timeout", "net_write_timeout", "local_infile", "completion_type", "sql_auto_is_null", "big_tables",
	"default_password_lifetime", "require_secure_transport", "innodb_file_per_table", "default_table_encryption",
	"innodb_ft_enable_stopword", "ngram_token_size", "low_priority_updates", "sql_safe_updates",
}

// checkGlobals compares the globals of H17.
func (i *inspection) checkGlobals() {
	for _, name := range slices.Sorted(maps.Keys(i.source.compared)) {
		want := i.source.compared[name]
		have, ok := i.target.compared[name]
		switch {
		case !ok:
			i.add("H17", Warn, i.target, "see what the newer version does in its place", "it has no %s; the source's is %q", name, want)
		case !setting.GlobalFits(name, have, want):
			i.add("H17", Refuse, i.target, "set it to the source's value", "%s is %q, the source's is %q", name, have, want)
		}
	}
	i.checkPageSize()
	if len(i.keyless) == 0 {
		return
	}
	for _, name := range []string{"innodb_force_primary_key", "sql_require_primary_key", "sql_generate_invisible_primary_key"} {
		if have := i.target.variables[name]; have != "" && dialect.IsOn(have) && !setting.SameValue(have, i.source.variables[name]) {
			i.add("H17", Refuse, i.target, "SET GLOBAL "+name+" = OFF, in the option file too",
				"%s is on, and the source has tables without a primary key: %s", name, phrase.FirstOf(5, i.keyless))
		}
	}
}

// checkPageSize refuses a target whose pages hold less: a row that fits on the
// source may not.
func (i *inspection) checkPageSize() {
	have, want := query.Number(i.target.variables["innodb_page_size"]), query.Number(i.source.variables["innodb_page_size"])
	if have != want {
		severity := Warn
		if have < want {
			severity = Refuse
		}
		i.add("H17", severity, i.target, fmt.Sprintf("initialise its data directory again with innodb_page_size=%d", want),
			"innodb_page_size is %d, the source's is %d", have, want)
	}
}

// checkNoticed compares what migrate does not set.
func (i *inspection) checkNoticed(ctx context.Context) error {
	source, err := query.Variables(ctx, i.source.db, noticed...)
	if err != nil {
		return err
	}
	target, err := query.Variables(ctx, i.target.db, noticed...)
	if err != nil {
		return err
	}
	for _, name := range noticed {
		want, there := source[name]
		have, here := target[name]
		if there && here && !setting.SameValue(have, want) {
			i.add("H17", Warn, i.target, "SET GLOBAL "+name+" to the source's value, in the option file too, where the application counts on it",
				"%s is %q, the source's is %q", name, have, want)
		}
	}
	return nil
}

// offsets are a server's distances from UTC in winter and in summer, in
// seconds, in the time zone that its sessions begin with. No table of zones is
// needed for that.
func offsets(ctx context.Context, q query.Queryer, zone string) (string, error) {
	const statement = "SELECT CONCAT_WS(' ', TIMESTAMPDIFF(SECOND, w, CONVERT_TZ(w, '+00:00', z)), TIMESTAMPDIFF(SECOND, s, CONVERT_TZ(s, '+00:00', z)))" +
		" FROM (SELECT TIMESTAMP('2026-01-15 12:00:00') AS w, TIMESTAMP('2026-07-15 12:00:00') AS s, "
	return query.Text(ctx, q, statement+zone+" AS z) AS dates")
}

// checkZones compares what time it is for the application on both sides (H28):
// where time_zone is SYSTEM, that is the machines' matter.
func (i *inspection) checkZones(ctx context.Context) error {
	for _, what := range []struct {
		severity         Severity
		zone, found, fix string
	}{
		{
			Refuse, "@@GLOBAL.time_zone", "NOW() says another time there than on the source",
			"set the machine's time zone to the source's (timedatectl set-timezone) and restart the server, or set default_time_zone on both",
		},
		{Warn, "'SYSTEM'", "its machine is in another time zone", "look at what goes by the machine's clock: cron jobs, log files"},
	} {
		want, err := offsets(ctx, i.source.db, what.zone)
		if err != nil {
			return err
		}
		have, err := offsets(ctx, i.target.db, what.zone)
		if err != nil {
			return err
		}
		if have != want {
			s, t := i.source, i.target
			i.add("H28", what.severity, t, what.fix, "%s: time_zone is %s on a machine in %s, on the source %s in %s", what.found,
				t.compared["time_zone"], t.variables["system_time_zone"], s.compared["time_zone"], s.variables["system_time_zone"])
			return nil
		}
	}
	return nil
}

// checkNamedZones looks for time zones by name that the target does not know,
// because its tables of zones are empty (H17).
func (i *inspection) checkNamedZones(ctx context.Context) error {
	const statement = "SELECT COUNT(*) FROM mysql.time_zone_name"
	known, err := query.Text(ctx, i.target.db, statement)
	if err != nil || known != "0" {
		return err
	}
	loaded, err := query.Text(ctx, i.source.db, statement)
	if err != nil || loaded == "0" {
		return err
	}
	used, err := i.zoneUsers(ctx)
	if err != nil {
		return err
	}
	printer, client := i.target.dialect.TimeZonePrograms()
	severity, found := Warn, "it knows no time zones by name, and the source does: an application that names one is refused"
	if len(used) > 0 {
		severity, found = Refuse, "it knows no time zones by name, and these name some: "+phrase.FirstOf(5, used)
	}
	i.add("H17", severity, i.target, fmt.Sprintf("on its machine, before the seed: (echo 'SET sql_log_bin = 0;'; %s /usr/share/zoneinfo) | %s mysql", printer, client), "%s", found)
	return nil
}

// zoneUsers are the source's events and programs that name time zones.
func (i *inspection) zoneUsers(ctx context.Context) ([]string, error) {
	var used []string
	for _, list := range []struct{ schema, query string }{
		{"EVENT_SCHEMA", `SELECT CONCAT('event ', EVENT_SCHEMA, '.', EVENT_NAME) FROM information_schema.EVENTS
			WHERE %s AND (TIME_ZONE <> 'SYSTEM' AND TIME_ZONE NOT REGEXP '^[-+][0-9]' OR EVENT_DEFINITION LIKE '%%CONVERT_TZ%%')`},
		{"ROUTINE_SCHEMA", `SELECT CONCAT(LOWER(ROUTINE_TYPE), ' ', ROUTINE_SCHEMA, '.', ROUTINE_NAME) FROM information_schema.ROUTINES
			WHERE %s AND ROUTINE_DEFINITION LIKE '%%CONVERT_TZ%%'`},
		{"TRIGGER_SCHEMA", `SELECT CONCAT('trigger ', TRIGGER_SCHEMA, '.', TRIGGER_NAME) FROM information_schema.TRIGGERS
			WHERE %s AND ACTION_STATEMENT LIKE '%%CONVERT_TZ%%'`},
		{"TABLE_SCHEMA", `SELECT CONCAT('view ', TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.VIEWS
			WHERE %s AND VIEW_DEFINITION LIKE '%%CONVERT_TZ%%'`},
	} {
		found, err := i.find(ctx, list.schema, list.query)
		if err != nil {
			return nil, err
		}
		used = append(used, found...)
	}
	return used, nil
}

// checkErrant refuses a target that was seeded and has transactions of its own
// since (H12): they would travel back. Before the seed it does not matter: the
// seed sets the target's position.
func (i *inspection) checkErrant(ctx context.Context) error {
	m, ok, err := replication.ReadMarker(ctx, i.target.db)
	if err != nil || !ok || !m.Finished || i.target.replica.Configured {
		return err // with a link, its gates look at it
	}
	has, err := replication.Executed(ctx, i.target.Server)
	if err != nil {
		return err
	}
	known, err := replication.Executed(ctx, i.source.Server)
	if err != nil {
		return err
	}
	if errant := has.Minus(known); !errant.IsEmpty() {
		i.add("H12", Refuse, i.target, "fence it, take the seed back with migrate rollback --all, and seed it again", "it has transactions that the source lacks: %s", errant)
	}
	return nil
}

// checkReplicas refuses a target with the id of another replica of the source:
// the source ends one's connection when the other comes (H11).
func (i *inspection) checkReplicas(ctx context.Context) error {
	records, err := query.All(ctx, i.source.db, i.source.dialect.ListReplicas())
	if err != nil {
		return err
	}
	status := i.target.replica
	for _, r := range records {
		id := r["Server_id"] + r["Server_Id"]
		sameID := id == i.target.variables["server_id"]
		sameUUID := r["Replica_UUID"] != "" && r["Replica_UUID"] == i.target.variables["server_uuid"]
		if !sameID && !sameUUID || status.Configured && strings.HasPrefix(status.User, replication.OwnUserPrefix) {
			continue // the target itself, by its link
		}
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return fmt.Errorf("read a replica's server_id: %w", err)
		}
		what, fix := "server_id "+id, fmt.Sprintf("give the target another server_id, for example %d", n+setting.IdDistance)
		if !sameID {
			what, fix = "server_uuid "+r["Replica_UUID"], "remove auto.cnf from the target's data directory and restart it"
		}
		i.add("H11", Refuse, i.target, fix, "another replica of the source, %s, has its %s", replicaAddress(r["Host"], r["Port"]), what)
	}
	return nil
}

// replicaAddress is a replica's address, as far as it has told.
func replicaAddress(host, port string) string {
	if host == "" {
		return "which does not tell its address"
	}
	return host + ":" + port
}

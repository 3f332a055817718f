package preflight

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication/query"
)

// maxClockDifference is the difference of clocks above which the preflight warns.
const maxClockDifference = 2 * time.Second

// checkClock compares a server's clock with the controller's (H28). The difference of the
// two servers' clocks follows from it.
func (i *inspection) checkClock(ctx context.Context, s *side) error {
	before, began := i.opts.now(), time.Now()
	text, err := query.Text(ctx, s.db, "SELECT UNIX_TIMESTAMP(NOW(6))")
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("read the clock %q: %w", text, err)
	}
	off := time.UnixMicro(int64(seconds * 1e6)).Sub(before.Add(time.Since(began) / 2))
	if off.Abs() > maxClockDifference {
		i.add("H28", Warn, s, "let NTP set the clocks", "its clock is %s off the controller's", off.Round(100*time.Millisecond))
	}
	return nil
}

// zoneOffsets are a server's distances from UTC in winter and in summer, in seconds, in
// the time zone that its sessions begin with. Reading them needs no table of zones.
func zoneOffsets(ctx context.Context, q query.Queryer, zone string) (string, error) {
	const statement = "SELECT CONCAT_WS(' ', TIMESTAMPDIFF(SECOND, w, CONVERT_TZ(w, '+00:00', z)), TIMESTAMPDIFF(SECOND, s, CONVERT_TZ(s, '+00:00', z)))" +
		" FROM (SELECT TIMESTAMP('2026-01-15 12:00:00') AS w, TIMESTAMP('2026-07-15 12:00:00') AS s, "
	return query.Text(ctx, q, statement+zone+" AS z) AS dates")
}

// checkZones compares what NOW() says to the application on both sides (H28). If time_zone
// is SYSTEM, that depends on the hosts.
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
		want, err := zoneOffsets(ctx, i.source.db, what.zone)
		if err != nil {
			return err
		}
		have, err := zoneOffsets(ctx, i.target.db, what.zone)
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

// checkNamedZones checks that the target knows time zones by name if the source does: its
// tables of zones may be empty (H17).
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

// zoneUsers are the source's events and programs that use time zones by name.
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
		found, err := i.listNames(ctx, list.schema, list.query)
		if err != nil {
			return nil, err
		}
		used = append(used, found...)
	}
	return used, nil
}

package replication

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clockDifference is from where on clocks are worth a warning.
const clockDifference = 2 * time.Second

// some lists the first names and how many there are.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// inSchemas is a condition for a schema column and its arguments.
func (s *side) inSchemas(column string) (string, []any) {
	if len(s.schemas) == 0 {
		return "FALSE", nil
	}
	args := make([]any, len(s.schemas))
	for i, name := range s.schemas {
		args[i] = name
	}
	return column + " IN (" + strings.Repeat(",?", len(args))[1:] + ")", args
}

// find lists names on the source: query has one %s for the condition on schemas.
func (i *inspection) find(ctx context.Context, column, query string) ([]string, error) {
	condition, args := i.source.inSchemas(column)
	return queryStrings(ctx, i.source.db, fmt.Sprintf(query, condition), args...)
}

// checkTables looks for tables that cannot be copied or replicated well (H7, H21).
func (i *inspection) checkTables(ctx context.Context) error {
	keyless, err := i.find(ctx, "t.TABLE_SCHEMA", `SELECT CONCAT(t.TABLE_SCHEMA, '.', t.TABLE_NAME) FROM information_schema.TABLES t
		LEFT JOIN information_schema.TABLE_CONSTRAINTS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA
			AND c.TABLE_NAME = t.TABLE_NAME AND c.CONSTRAINT_TYPE = 'PRIMARY KEY'
		WHERE %s AND t.TABLE_TYPE = 'BASE TABLE' AND c.CONSTRAINT_NAME IS NULL ORDER BY 1`)
	if err != nil {
		return err
	}
	if len(keyless) > 0 {
		severity := Warn
		if i.opts.Dual {
			severity = Refuse
		}
		i.add("H7", severity, i.source, "add a primary key, for example an invisible AUTO_INCREMENT column",
			"%d tables have no primary key: %s", len(keyless), some(keyless))
	}
	engines, err := i.find(ctx, "TABLE_SCHEMA", `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, ' (', ENGINE, ')') FROM information_schema.TABLES
		WHERE %s AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND COALESCE(ENGINE, '') <> 'InnoDB' ORDER BY 1`)
	if err != nil {
		return err
	}
	if len(engines) > 0 {
		i.add("H21", Refuse, i.source, "ALTER TABLE … ENGINE=InnoDB",
			"%d tables are in an engine without consistent snapshots: %s", len(engines), some(engines))
	}
	versioned, err := i.find(ctx, "TABLE_SCHEMA", `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES
		WHERE %s AND TABLE_TYPE = 'SYSTEM VERSIONED' ORDER BY 1`)
	if err != nil {
		return err
	}
	if len(versioned) > 0 {
		i.add("H21", Refuse, i.source, "ALTER TABLE … DROP SYSTEM VERSIONING, or leave the schema out",
			"the history of system-versioned tables is not copied: %s", some(versioned))
	}
	return nil
}

// checkForeignKeys warns of cascades, whose effects are not in the log (H10).
func (i *inspection) checkForeignKeys(ctx context.Context) error {
	cascades, err := i.cascades(ctx)
	if err == nil && len(cascades) > 0 && !i.source.dialect.logsCascades() {
		i.add("H10", Warn, i.source, "keep the foreign keys equal on both sides", "cascades are re-enacted by the replica: %s", some(cascades))
	}
	return err
}

func (i *inspection) cascades(ctx context.Context) ([]string, error) {
	return i.find(ctx, "CONSTRAINT_SCHEMA", `SELECT CONCAT(CONSTRAINT_SCHEMA, '.', TABLE_NAME, ' ', CONSTRAINT_NAME)
		FROM information_schema.REFERENTIAL_CONSTRAINTS
		WHERE %s AND (DELETE_RULE IN ('CASCADE', 'SET NULL') OR UPDATE_RULE IN ('CASCADE', 'SET NULL')) ORDER BY 1`)
}

// logsCascades reports whether the rows that a foreign key changes are in the binlog.
func (d *Dialect) logsCascades() bool { return !d.mariadb() && d.atLeast(9, 6, 0) }

// checkCascades refuses a mix of servers that log cascades and that do not (H10).
func (i *inspection) checkCascades(ctx context.Context) error {
	if i.source.dialect.logsCascades() == i.target.dialect.logsCascades() {
		return nil
	}
	cascades, err := i.cascades(ctx)
	if err == nil && len(cascades) > 0 {
		i.add("H10", Refuse, i.target, "install the source's version on the target, or drop the cascades",
			"one side logs the rows that cascades change and the other does not: %s", some(cascades))
	}
	return err
}

// checkDefiners looks for views and programs whose definer does not exist (H9).
func (i *inspection) checkDefiners(ctx context.Context) error {
	accounts, err := queryStrings(ctx, i.source.db, "SELECT CONCAT(User, '@', Host) FROM mysql.user")
	if err != nil {
		return err
	}
	roles, err := queryStrings(ctx, i.source.db, "SELECT User FROM mysql.user WHERE Host = ''")
	if err != nil {
		return err
	}
	var missing []string
	for _, list := range []struct{ kind, view, schema, name string }{
		{"trigger", "TRIGGERS", "TRIGGER_SCHEMA", "TRIGGER_NAME"},
		{"view", "VIEWS", "TABLE_SCHEMA", "TABLE_NAME"},
		{"routine", "ROUTINES", "ROUTINE_SCHEMA", "ROUTINE_NAME"},
		{"event", "EVENTS", "EVENT_SCHEMA", "EVENT_NAME"},
	} {
		condition, args := i.source.inSchemas(list.schema)
		records, err := queryRecords(ctx, i.source.db, "SELECT CONCAT("+list.schema+", '.', "+list.name+") AS name, DEFINER AS definer"+
			" FROM information_schema."+list.view+" WHERE "+condition, args...)
		if err != nil {
			return err
		}
		for _, r := range records {
			definer := strings.TrimSuffix(r["definer"], "@")
			if definer != "" && !slices.Contains(accounts, r["definer"]) && !slices.Contains(roles, definer) {
				missing = append(missing, list.kind+" "+r["name"]+" (definer "+r["definer"]+")")
			}
		}
	}
	if len(missing) > 0 {
		i.add("H9", Warn, i.source, "create the definers, or define the objects again", "definers do not exist: %s", some(missing))
	}
	return nil
}

// checkLogin looks at the privileges of migrate's own login.
func (i *inspection) checkLogin(ctx context.Context) error {
	held, err := queryStrings(ctx, i.source.db, `SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES
		WHERE REPLACE(GRANTEE, '''', '') = CURRENT_USER()`)
	if err != nil {
		return err
	}
	needed := []string{"SELECT", "CREATE USER", "RELOAD", "PROCESS", "SUPER", "REPLICATION SLAVE", "SHOW VIEW", "EVENT", "TRIGGER"}
	if i.source.dialect.mariadb() {
		needed = append(needed, "READ_ONLY ADMIN", "BINLOG MONITOR", "REPLICATION SLAVE ADMIN")
	}
	var missing []string
	for _, privilege := range needed {
		if !slices.Contains(held, privilege) {
			missing = append(missing, privilege)
		}
	}
	if len(missing) > 0 {
		i.add("H30", Refuse, i.source, "log in as root, or grant them", "migrate's login lacks %s", strings.Join(missing, ", "))
	}
	return nil
}

// checkClock compares the server's clock with the controller's (H28).
func (i *inspection) checkClock(ctx context.Context) error {
	before := time.Now()
	text, err := queryText(ctx, i.source.db, "SELECT UNIX_TIMESTAMP(NOW(6))")
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("read the clock %q: %w", text, err)
	}
	off := time.UnixMicro(int64(seconds * 1e6)).Sub(before.Add(time.Since(before) / 2))
	if off.Abs() > clockDifference {
		i.add("H28", Warn, i.source, "let NTP set the clocks", "its clock is %s off the controller's", off.Round(100*time.Millisecond))
	}
	return nil
}

// checkCollations looks for collations in use that the target lacks (H17).
func (i *inspection) checkCollations(ctx context.Context) error {
	used, err := i.find(ctx, "TABLE_SCHEMA", `SELECT DISTINCT COLLATION_NAME FROM information_schema.COLUMNS
		WHERE %s AND COLLATION_NAME IS NOT NULL`)
	if err != nil {
		return err
	}
	// MariaDB lists some collations without their character set.
	known, err := queryRecords(ctx, i.target.db, "SHOW COLLATION")
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range used {
		if !slices.ContainsFunc(known, func(r record) bool {
			return r["Collation"] == name || strings.HasSuffix(name, "_"+r["Collation"])
		}) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		i.add("H17", Refuse, i.target, "convert those columns on the source, or install a version that has them",
			"it lacks collations that columns use: %s", strings.Join(missing, ", "))
	}
	return nil
}

// checkPlugins looks for authentication plugins that the target lacks (H26).
func (i *inspection) checkPlugins(ctx context.Context) error {
	records, err := queryRecords(ctx, i.source.db, "SELECT User AS user, Host AS host, plugin FROM mysql.user WHERE plugin <> '' AND Host <> ''")
	if err != nil {
		return err
	}
	known, err := queryStrings(ctx, i.target.db, `SELECT PLUGIN_NAME FROM information_schema.PLUGINS
		WHERE PLUGIN_TYPE = 'AUTHENTICATION' AND PLUGIN_STATUS = 'ACTIVE'`)
	if err != nil {
		return err
	}
	for _, r := range records {
		if isSystemAccount(r["user"], r["host"]) || slices.Contains(known, r["plugin"]) {
			continue
		}
		i.add("H26", Refuse, i.target, "ALTER USER on the source to a plugin that both have, with a new password",
			"it lacks the authentication plugin %s of '%s'@'%s'", r["plugin"], r["user"], r["host"])
	}
	return nil
}

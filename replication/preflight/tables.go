package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
)

// inSchemas is the condition that a column is one of the schemas, and its arguments.
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

// listNames lists names on the source: statement has one %s for the condition on the
// column of schemas.
func (i *inspection) listNames(ctx context.Context, column, statement string) ([]string, error) {
	condition, args := i.source.inSchemas(column)
	return query.Strings(ctx, i.source.db, fmt.Sprintf(statement, condition), args...)
}

// checkTables looks for tables that cannot be copied or replicated well (H7, H21).
func (i *inspection) checkTables(ctx context.Context) error {
	for _, check := range []func(context.Context) error{i.checkFilesOnly, i.checkReadOnlySchemas} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	if err := i.checkKeys(ctx); err != nil {
		return err
	}
	engines, err := i.listNames(ctx, "TABLE_SCHEMA", `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, ' (', COALESCE(ENGINE, 'broken'), ')')
		FROM information_schema.TABLES
		WHERE %s AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND COALESCE(ENGINE, '') <> 'InnoDB' ORDER BY 1`)
	if err != nil {
		return err
	}
	if len(engines) > 0 {
		i.add("H21", Refuse, i.source, "ALTER TABLE … ENGINE=InnoDB; of an engine that keeps its rows elsewhere (FEDERATED, CONNECT, SPIDER, MERGE), drop the table or leave its schema out",
			"%d tables are in an engine without consistent snapshots: %s", len(engines), phrase.FirstOf(5, engines))
	}
	if i.source.dialect.CopiesHistory() {
		return nil // the seed copies the history
	}
	versioned, err := i.listNames(ctx, "TABLE_SCHEMA", `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES
		WHERE %s AND TABLE_TYPE = 'SYSTEM VERSIONED' ORDER BY 1`)
	if err != nil {
		return err
	}
	if len(versioned) > 0 {
		i.add("H21", Refuse, i.source, "upgrade to MariaDB 10.11 first, ALTER TABLE … DROP SYSTEM VERSIONING, or leave the schema out",
			"before MariaDB 10.11 the history of system-versioned tables cannot be copied: %s", phrase.FirstOf(5, versioned))
	}
	return nil
}

// checkKeys names the tables whose rows cannot be told apart: those without a
// primary key and without a unique key of columns that are never NULL (H7).
func (i *inspection) checkKeys(ctx context.Context) error {
	all, err := i.listNames(ctx, "TABLE_SCHEMA", `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES
		WHERE %s AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1`)
	if err != nil {
		return err
	}
	keyed, err := i.listNames(ctx, "TABLE_SCHEMA", `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.STATISTICS
		WHERE %s AND NON_UNIQUE = 0 GROUP BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME
		HAVING SUM(COLUMN_NAME IS NULL OR SUB_PART IS NOT NULL OR COALESCE(NULLABLE, '') = 'YES') = 0`)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, name := range keyed {
		has[name] = true
	}
	i.keyless = slices.DeleteFunc(all, func(name string) bool { return has[name] })
	if len(i.keyless) > 0 {
		severity := Warn
		if i.opts.Dual {
			severity = Refuse
		}
		i.add("H7", severity, i.source, "add a primary key, for example an invisible AUTO_INCREMENT column",
			"%d tables have no primary key and no unique key without NULLs: %s", len(i.keyless), phrase.FirstOf(5, i.keyless))
	}
	return nil
}

// checkForeignKeys warns of cascades whose effects are not in the binlog (H10).
func (i *inspection) checkForeignKeys(ctx context.Context) error {
	cascades, err := i.cascades(ctx)
	if err == nil && len(cascades) > 0 && !i.source.logsCascades() {
		i.add("H10", Warn, i.source, "keep the foreign keys equal on both sides", "cascades are re-enacted by the replica: %s", phrase.FirstOf(5, cascades))
	}
	return err
}

// cascades lists the foreign keys of the source that change other rows.
func (i *inspection) cascades(ctx context.Context) ([]string, error) {
	return i.listNames(ctx, "CONSTRAINT_SCHEMA", `SELECT CONCAT(CONSTRAINT_SCHEMA, '.', TABLE_NAME, ' ', CONSTRAINT_NAME)
		FROM information_schema.REFERENTIAL_CONSTRAINTS
		WHERE %s AND (DELETE_RULE IN ('CASCADE', 'SET NULL') OR UPDATE_RULE IN ('CASCADE', 'SET NULL')) ORDER BY 1`)
}

// logsCascades reports whether the side's binlog has the rows that foreign keys change.
func (s *side) logsCascades() bool {
	return s.dialect.LogsCascades(s.variables)
}

// checkCascades refuses a pair of which one server logs cascades and the other does not
// (H10).
func (i *inspection) checkCascades(ctx context.Context) error {
	if i.source.logsCascades() == i.target.logsCascades() {
		return nil
	}
	cascades, err := i.cascades(ctx)
	if err == nil && len(cascades) > 0 {
		i.add("H10", Refuse, i.target, "install the source's version on the target with its innodb_native_foreign_keys, or drop the cascades",
			"one side logs the rows that cascades change and the other does not: %s", phrase.FirstOf(5, cascades))
	}
	return err
}

// checkDefiners looks for views and programs whose definer does not exist (H9).
func (i *inspection) checkDefiners(ctx context.Context) error {
	accounts, err := query.Strings(ctx, i.source.db, "SELECT CONCAT(User, '@', Host) FROM mysql.user")
	if err != nil {
		return err
	}
	roles, err := query.Strings(ctx, i.source.db, "SELECT User FROM mysql.user WHERE Host = ''")
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
		records, err := query.All(ctx, i.source.db, "SELECT CONCAT("+list.schema+", '.', "+list.name+") AS name, DEFINER AS definer"+
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
		i.add("H9", Warn, i.source, "create the definers, or define the objects again", "definers do not exist: %s", phrase.FirstOf(5, missing))
	}
	return nil
}

// checkFilesOnly warns of tables that a copy of rows cannot make as they are (H21): the
// seed refuses them unless it takes the server's files.
func (i *inspection) checkFilesOnly(ctx context.Context) error {
	texts, err := schema.FilesOnly(ctx, i.source.db, i.source.dialect)
	if err != nil || len(texts) == 0 {
		return err
	}
	i.add("H21", Warn, i.source, "alter them as said, or have the pair seeded by its files",
		"only a copy of its files keeps these tables as they are, and a seed by rows refuses them: %s", phrase.FirstOf(5, texts))
	return nil
}

// checkReadOnlySchemas warns of schemas that are read only: the option is in no log, and the
// target's are writable.
func (i *inspection) checkReadOnlySchemas(ctx context.Context) error {
	names, err := query.Strings(ctx, i.source.db, i.source.dialect.ReadOnlySchemas())
	if err == nil && len(names) > 0 {
		i.add("H21", Warn, i.source, "ALTER DATABASE … READ ONLY = 1 on the new server once the move is finished",
			"these schemas are read only, and on the target they will not be: %s", phrase.FirstOf(5, names))
	}
	return err
}

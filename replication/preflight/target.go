package preflight

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
)

// checkCollations looks for collations in use that the target lacks (H17).
func (i *inspection) checkCollations(ctx context.Context) error {
	used, err := i.listNames(ctx, "TABLE_SCHEMA", `SELECT DISTINCT COLLATION_NAME FROM information_schema.COLUMNS
		WHERE %s AND COLLATION_NAME IS NOT NULL`)
	if err != nil {
		return err
	}
	// MariaDB lists some collations without their character set.
	known, err := query.All(ctx, i.target.db, "SHOW COLLATION")
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range used {
		if !slices.ContainsFunc(known, func(r query.Record) bool {
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

// plugins are the names of the active plugins of a type, in lower case.
func plugins(ctx context.Context, q query.Queryer, kind string) ([]string, error) {
	return query.Strings(ctx, q, "SELECT LOWER(PLUGIN_NAME) FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = ? AND PLUGIN_STATUS = 'ACTIVE'", kind)
}

// parserOption is how an index names a full-text parser.
var parserOption = regexp.MustCompile("WITH PARSER `((?:[^`]|``)+)`")

// checkTableNeeds looks for what tables are made with and the target lacks (H21): plugins
// for types of columns and for full-text parsers, and encryption.
func (i *inspection) checkTableNeeds(ctx context.Context) error {
	for _, check := range []func(context.Context) error{i.checkTypes, i.checkParsers, i.checkEncryption, i.checkInstalled} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checkTypes looks for types of columns that are plugins on the source and missing on the
// target.
func (i *inspection) checkTypes(ctx context.Context) error {
	made, err := plugins(ctx, i.source.db, "DATA TYPE")
	if err != nil || len(made) == 0 {
		return err
	}
	known, err := plugins(ctx, i.target.db, "DATA TYPE")
	if err != nil {
		return err
	}
	columns, err := i.listNames(ctx, "TABLE_SCHEMA", `SELECT CONCAT(LOWER(DATA_TYPE), ' ', TABLE_SCHEMA, '.', TABLE_NAME, '.', COLUMN_NAME)
		FROM information_schema.COLUMNS WHERE %s ORDER BY 1`)
	if err != nil {
		return err
	}
	var missing []string
	for _, c := range columns {
		kind, name, _ := strings.Cut(c, " ")
		if slices.Contains(made, kind) && !slices.Contains(known, kind) {
			missing = append(missing, name+" ("+kind+")")
		}
	}
	if len(missing) > 0 {
		i.add("H21", Refuse, i.target, "install the plugin of the type there (INSTALL SONAME), or a version that has it",
			"it does not know the types of these columns: %s", phrase.FirstOf(5, missing))
	}
	return nil
}

// checkParsers looks for full-text parsers that the target lacks. Only the definition of a
// table names them.
func (i *inspection) checkParsers(ctx context.Context) error {
	tables, err := i.listNames(ctx, "TABLE_SCHEMA", `SELECT DISTINCT CONCAT(TABLE_SCHEMA, CHAR(0), TABLE_NAME) FROM information_schema.STATISTICS
		WHERE %s AND INDEX_TYPE = 'FULLTEXT'`)
	if err != nil || len(tables) == 0 {
		return err
	}
	known, err := plugins(ctx, i.target.db, "FTPARSER")
	if err != nil {
		return err
	}
	var missing []string
	for _, t := range tables {
		schemaName, name, _ := strings.Cut(t, "\x00")
		o, err := schema.ReadObject(ctx, i.source.db, schema.KindTable, schemaName, name)
		if err != nil {
			return err
		}
		for _, m := range parserOption.FindAllStringSubmatch(o.Create, -1) {
			if !slices.Contains(known, strings.ToLower(m[1])) {
				missing = append(missing, fmt.Sprintf("%s.%s (%s)", schemaName, name, m[1]))
			}
		}
	}
	if len(missing) > 0 {
		i.add("H21", Refuse, i.target, "install the parser's plugin there (INSTALL PLUGIN), or make the index without it",
			"it does not know the full-text parsers of these tables: %s", phrase.FirstOf(5, missing))
	}
	return nil
}

// checkEncryption looks for encrypted tables where the target has no keys.
func (i *inspection) checkEncryption(ctx context.Context) error {
	encrypted, err := i.listNames(ctx, "TABLE_SCHEMA", `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES
		WHERE %s AND (CREATE_OPTIONS LIKE '%%ENCRYPTION=''Y''%%' OR CREATE_OPTIONS REGEXP 'encrypted[^=]*=[^a-zA-Z]*yes') ORDER BY 1`)
	if err != nil || len(encrypted) == 0 {
		return err
	}
	keys, err := query.Text(ctx, i.target.db, i.target.dialect.CountKeyManagement())
	if err != nil {
		return err
	}
	if keys == "0" {
		i.add("H21", Refuse, i.target, "install the source's key management there, with keys of the same numbers",
			"it has no key management, and these tables are encrypted: %s", phrase.FirstOf(5, encrypted))
	}
	return nil
}

// checkInstalled looks for functions of libraries and spatial reference systems that the
// target lacks or has otherwise: no seed by rows brings them.
func (i *inspection) checkInstalled(ctx context.Context) error {
	here, err := schema.Installed(ctx, i.source.Server)
	if err != nil {
		return err
	}
	there, err := schema.Installed(ctx, i.target.Server)
	if err != nil {
		return err
	}
	var missing []string
	for title, definition := range here {
		if there[title] != definition {
			missing = append(missing, title)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		i.add("H21", Refuse, i.target, "install them there: CREATE FUNCTION … SONAME, CREATE SPATIAL REFERENCE SYSTEM",
			"it lacks what is installed on the source, or has it otherwise: %s", phrase.FirstOf(5, missing))
	}
	return nil
}

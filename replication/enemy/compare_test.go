package enemy

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// definitions are what the catalogues say, as queries whose rows must be the same on both
// sides. In a query that names no flavor, %s stands for the filter of schemas.
var definitions = []struct {
	flavor servertest.Flavor // "" is both
	query  string
}{
	{"", "SELECT 'schema', SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME %s"},
	{"", "SELECT 'table', TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, ROW_FORMAT, TABLE_COLLATION, CREATE_OPTIONS, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA %s"},
	{"", `SELECT 'column', TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME,
		COLUMN_KEY, EXTRA, COLUMN_COMMENT, GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA %s`},
	{"", `SELECT 'index', TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE, SUB_PART, INDEX_TYPE, COLLATION, INDEX_COMMENT
		FROM information_schema.STATISTICS WHERE TABLE_SCHEMA %s`},
	{servertest.MySQL, "SELECT 'index', TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, EXPRESSION, IS_VISIBLE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA %s"},
	{"", `SELECT 'key', TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, ORDINAL_POSITION, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
		FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA %s`},
	{"", `SELECT 'foreign key', CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE, REFERENCED_TABLE_NAME
		FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA %s`},
	{"", "SELECT 'check', CONSTRAINT_SCHEMA, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA %s"},
	{"", `SELECT 'partition', TABLE_SCHEMA, TABLE_NAME, PARTITION_NAME, PARTITION_METHOD, PARTITION_EXPRESSION, PARTITION_DESCRIPTION
		FROM information_schema.PARTITIONS WHERE PARTITION_NAME IS NOT NULL AND TABLE_SCHEMA %s`},
	{"", `SELECT 'trigger', TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_ORDER, ACTION_STATEMENT, ACTION_TIMING, SQL_MODE, DEFINER,
		CHARACTER_SET_CLIENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA %s`},
	{"", `SELECT 'routine', ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_DEFINITION, SQL_MODE, DEFINER, SECURITY_TYPE
		FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA %s`},
	{"", `SELECT 'event', EVENT_SCHEMA, EVENT_NAME, EVENT_DEFINITION, INTERVAL_VALUE, INTERVAL_FIELD, SQL_MODE, DEFINER, ON_COMPLETION
		FROM information_schema.EVENTS WHERE EVENT_SCHEMA %s`},
	{"", "SELECT 'view', TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE FROM information_schema.VIEWS WHERE TABLE_SCHEMA %s"},
	{"", "SELECT 'account', User, Host, plugin, authentication_string FROM mysql.user WHERE User LIKE 'app%%' AND 'x' %s"},
}

// difference is one line that only one side has.
type difference struct{ side, line string }

// compare lists what differs between the two servers, which must be quiet.
func (r *round) compare() []difference {
	var found []difference
	filter := "NOT IN (" + systemSchemas + ", 'migrate')"
	diff := func(flavor servertest.Flavor, query string) {
		if flavor == "" || flavor == r.flavor {
			found = append(found, lineDiff(r.lines(r.source, query), r.lines(r.target, query))...)
		}
	}
	for _, d := range definitions {
		diff(d.flavor, fmt.Sprintf(d.query, filter))
	}
	for _, id := range r.lines(r.source, "SELECT HEX(TABLE_SCHEMA), HEX(TABLE_NAME), TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SEQUENCE') AND TABLE_SCHEMA "+filter) {
		parts := strings.Split(id, "|")
		name := quote(unhex(r.t, parts[0])) + "." + quote(unhex(r.t, parts[1]))
		query := "SELECT " + r.expressions(parts[0], parts[1]) + " FROM " + name
		if !r.has(r.target, parts[0], parts[1]) {
			found = append(found, difference{"target", "has no table " + name})
			continue
		}
		if parts[2] == "SEQUENCE" {
			query = "SELECT next_not_cached_value, minimum_value, maximum_value, increment, cycle_option FROM " + name
		}
		for _, d := range lineDiff(r.lines(r.source, query), r.lines(r.target, query)) {
			found = append(found, difference{d.side, name + ": " + d.line})
		}
	}
	if r.mariadb() {
		diff("", "SHOW GRANTS FOR app@localhost")
	}
	return found
}

func (r *round) has(s *servertest.Instance, schema, name string) bool {
	return s.Value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", unhex(r.t, schema), unhex(r.t, name)) == "1"
}

// expressions are the columns of a table of the source, as texts that tell every two values
// apart.
func (r *round) expressions(schema, name string) string {
	var out []string
	for _, line := range r.lines(r.source, "SELECT ORDINAL_POSITION + 1000, HEX(COLUMN_NAME), DATA_TYPE FROM information_schema.COLUMNS WHERE HEX(TABLE_SCHEMA) = '"+schema+"' AND HEX(TABLE_NAME) = '"+name+"'") {
		parts := strings.Split(line, "|")
		column := quote(unhex(r.t, parts[1]))
		switch parts[2] {
		case "float", "double":
			out = append(out, column) // the binary protocol has their bits
		case "json":
			out = append(out, "CAST("+column+" AS CHAR)")
			for _, path := range []string{"$", "$.a", "$.b", "$[0]"} {
				out = append(out, "JSON_TYPE(JSON_EXTRACT("+column+", '"+path+"'))")
			}
		case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob",
			"bit", "geometry", "point", "vector", "enum", "set":
			out = append(out, "HEX("+column+")")
		default:
			out = append(out, "CAST("+column+" AS CHAR)")
		}
	}
	return strings.Join(out, ", ")
}

// lines reads the rows of a query, one line each, in order of their bytes.
func (r *round) lines(s *servertest.Instance, query string) []string {
	ctx := r.t.Context()
	conn, err := s.Root().Conn(ctx)
	require.NoError(r.t, err)
	defer func() { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }()
	for _, setting := range []string{"SET NAMES utf8mb4", "SET time_zone = '+00:00'", "SET sql_mode = ''"} {
		_, err := conn.ExecContext(ctx, setting)
		require.NoError(r.t, err)
	}
	out, err := readLines(ctx, conn, query)
	require.NoError(r.t, err, query)
	slices.Sort(out)
	return out
}

// readLines reads by the binary protocol.
func readLines(ctx context.Context, conn *sql.Conn, query string) ([]string, error) {
	statement, err := conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	rows, err := statement.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out []string
	for rows.Next() {
		values, pointers := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			return nil, err
		}
		parts := make([]string, len(values))
		for i, v := range values {
			parts[i] = printed(v)
		}
		out = append(out, strings.Join(parts, "|"))
	}
	return out, rows.Err()
}

func printed(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	case float32:
		return fmt.Sprintf("%v (%08x)", v, math.Float32bits(v))
	case float64:
		return fmt.Sprintf("%v (%016x)", v, math.Float64bits(v))
	}
	return fmt.Sprint(v)
}

// lineDiff lists what only one of two sorted lists has.
func lineDiff(source, target []string) []difference {
	var out []difference
	for i, j := 0, 0; i < len(source) || j < len(target); {
		switch {
		case j == len(target) || i < len(source) && source[i] < target[j]:
			out = append(out, difference{"source", source[i]})
			i++
		case i == len(source) || target[j] < source[i]:
			out = append(out, difference{"target", target[j]})
			j++
		default:
			i, j = i+1, j+1
		}
	}
	return out
}

// requireSame compares both sides after a stage.
func (r *round) requireSame(stage string) {
	r.t.Helper()
	found := r.compare()
	if len(found) == 0 {
		return
	}
	var lines []string
	for _, d := range found[:min(len(found), 20)] {
		line := d.line
		if len(line) > 400 {
			line = line[:400] + "…"
		}
		lines = append(lines, "only "+d.side+": "+line)
	}
	r.fail("%s: the sides differ in %d lines:\n%s", stage, len(found), strings.Join(lines, "\n"))
}

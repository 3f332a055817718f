package schema

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
)

// catalogue is a view of information_schema that says something about tables and views.
type catalogue struct {
	view          string
	schema, table string   // the columns that name the object
	key           []string // the columns that name a part of it, such as its columns or indexes
	noun          string   // of such a part
	also          string   // more to select
	skip          []string // columns that may differ between two servers that hold the same
}

var catalogues = []catalogue{
	{
		view: "TABLES", schema: "TABLE_SCHEMA", table: "TABLE_NAME",
		skip: []string{
			"VERSION", "ROW_FORMAT", "TABLE_ROWS", "AVG_ROW_LENGTH", "DATA_LENGTH", "MAX_DATA_LENGTH", "INDEX_LENGTH", "DATA_FREE", "AUTO_INCREMENT",
			"CREATE_TIME", "UPDATE_TIME", "CHECK_TIME", "CHECKSUM", "MAX_INDEX_LENGTH", "TEMPORARY",
		},
	},
	{
		view: "COLUMNS", schema: "TABLE_SCHEMA", table: "TABLE_NAME", key: []string{"COLUMN_NAME"}, noun: "column",
		also: ", COLUMN_DEFAULT IS NULL AS HAS_NO_DEFAULT",
		skip: []string{"PRIVILEGES", "COLUMN_KEY", "CHARACTER_SET_NAME", "DATA_TYPE", "CHARACTER_MAXIMUM_LENGTH", "CHARACTER_OCTET_LENGTH"},
	},
	{view: "STATISTICS", schema: "TABLE_SCHEMA", table: "TABLE_NAME", key: []string{"INDEX_NAME", "SEQ_IN_INDEX"}, noun: "index", skip: []string{"CARDINALITY", "INDEX_SCHEMA", "NULLABLE"}},
	{view: "TABLE_CONSTRAINTS", schema: "TABLE_SCHEMA", table: "TABLE_NAME", key: []string{"CONSTRAINT_NAME"}, noun: "constraint"},
	{view: "KEY_COLUMN_USAGE", schema: "TABLE_SCHEMA", table: "TABLE_NAME", key: []string{"CONSTRAINT_NAME", "ORDINAL_POSITION"}, noun: "key"},
	{view: "REFERENTIAL_CONSTRAINTS", schema: "CONSTRAINT_SCHEMA", table: "TABLE_NAME", key: []string{"CONSTRAINT_NAME"}, noun: "foreign key"},
	{
		view: "PARTITIONS", schema: "TABLE_SCHEMA", table: "TABLE_NAME", key: []string{"PARTITION_ORDINAL_POSITION", "SUBPARTITION_ORDINAL_POSITION"}, noun: "partition",
		skip: []string{
			"TABLE_ROWS", "AVG_ROW_LENGTH", "DATA_LENGTH", "MAX_DATA_LENGTH", "INDEX_LENGTH", "DATA_FREE", "CREATE_TIME", "UPDATE_TIME", "CHECK_TIME", "CHECKSUM",
		},
	},
	{view: "VIEWS", schema: "TABLE_SCHEMA", table: "TABLE_NAME"},
}

// Description is what a server's catalogues say about an object, by its parts: of "column a"
// the property COLUMN_TYPE is "int(11)". The part of the object itself is "".
type Description map[string]query.Record

// Describe reads what the catalogues say about a table, sequence or view. It is empty if
// there is none of that name.
func Describe(ctx context.Context, q query.Queryer, d *dialect.Dialect, o Object) (Description, error) {
	out := Description{}
	for _, k := range catalogues {
		rows, err := query.All(ctx, q, "SELECT *"+k.also+" FROM information_schema."+k.view+" WHERE "+k.schema+" = ? AND "+k.table+" = ?", o.Schema, o.Name)
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", o.Title(), err)
		}
		for _, r := range rows {
			k.add(r, out)
		}
	}
	checks, err := query.All(ctx, q, d.ListChecks(), o.Schema, o.Name)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", o.Title(), err)
	}
	for _, r := range checks {
		out["check "+r["name"]] = query.Record{"CHECK_CLAUSE": r["clause"]}
	}
	return out, nil
}

// add adds what a row of the catalogue says.
func (k catalogue) add(r query.Record, out Description) {
	upper := query.Record{}
	for column, value := range r {
		upper[strings.ToUpper(column)] = value
	}
	name := k.noun
	for _, column := range k.key {
		name += " " + upper[column]
	}
	if out[name] == nil {
		out[name] = query.Record{}
	}
	for column, value := range upper {
		if !slices.Contains(k.skip, column) && !slices.Contains(k.key, column) && column != k.schema && column != k.table && !strings.HasSuffix(column, "_CATALOG") {
			out[name][column] = value
		}
	}
}

// Differences lists in words what differs in another server's description of the object.
// A property that only one of the servers has a name for does not count: the other one is
// of another version.
func (d Description) Differences(other Description) []string {
	var out []string
	for _, part := range slices.Sorted(maps.Keys(d)) {
		there, ok := other[part]
		if !ok {
			out = append(out, "it lacks "+part)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(d[part])) {
			if value, ok := there[name]; ok && value != d[part][name] {
				out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s is %q, not %q", part, name, value, d[part][name])))
			}
		}
	}
	for _, part := range slices.Sorted(maps.Keys(other)) {
		if _, ok := d[part]; !ok {
			out = append(out, "it has "+part)
		}
	}
	return out
}

// Installed is what is installed on a server and programs or columns may need, by its
// title: functions of libraries, and MySQL's spatial reference systems.
func Installed(ctx context.Context, s *replication.Server) (map[string]string, error) {
	db, d, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	records, err := query.All(ctx, db, d.Installed())
	if err != nil {
		return nil, s.Wrap("list what is installed", err)
	}
	out := make(map[string]string, len(records))
	for _, r := range records {
		out[r["title"]] = r["definition"]
	}
	return out, nil
}

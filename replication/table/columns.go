package table

import (
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// Column is a stored column of a table.
type Column struct {
	Name     string
	Type     string // information_schema's DATA_TYPE, lower case
	FullType string // COLUMN_TYPE
	Key      int    // place in the primary key from 1; 0: not in it
	Charset  string // of text columns
}

// The queries for the columns and for the keys of tables; a WHERE is to be added.
const (
	ColumnsQuery = `SELECT COLUMN_NAME AS name, LOWER(DATA_TYPE) AS kind, COLUMN_TYPE AS type, COALESCE(CHARACTER_SET_NAME, '') AS charset,
		COALESCE(COLLATION_NAME, '') AS collation, UPPER(EXTRA) AS extra, COALESCE(GENERATION_EXPRESSION, '') AS expression
		FROM information_schema.COLUMNS`
	KeysQuery = `SELECT INDEX_NAME AS name, COALESCE(COLUMN_NAME, '') AS col, COALESCE(SUB_PART, 0) AS prefix,
		SUB_PART IS NOT NULL OR COALESCE(NULLABLE, '') = 'YES' OR INDEX_TYPE <> 'BTREE' AS unfit
		FROM information_schema.STATISTICS`
)

// StoredColumns are the columns that are stored, by the answers to ColumnsQuery and
// KeysQuery.
func StoredColumns(columns, keys []query.Record) []Column {
	primary := map[string]int{}
	for _, r := range keys {
		if r["name"] == "PRIMARY" {
			primary[r["col"]] = len(primary) + 1
		}
	}
	var out []Column
	for _, r := range columns {
		if r["expression"] == "" {
			out = append(out, Column{Name: r["name"], Type: r["kind"], FullType: r["type"], Charset: r["charset"], Key: primary[r["name"]]})
		}
	}
	return out
}

// ColumnNames lists the columns' names.
func ColumnNames(columns []Column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Name
	}
	return out
}

// Unsigned reports whether the number that Selected reads is unsigned.
func (c Column) Unsigned() bool {
	return slices.Contains([]string{"bit", "enum", "set", "year"}, c.Type) || strings.Contains(c.FullType, "unsigned")
}

// Selected is the expression that reads the column exactly: a FLOAT as the DOUBLE of
// the same value (its own text form loses bits), a BIT, ENUM or SET as its number, JSON
// with the types of its values.
func (c Column) Selected() string {
	name := query.Quote(c.Name)
	switch c.Type {
	case "float":
		return "CAST(" + name + " AS DOUBLE)"
	case "bit", "enum", "set":
		return "CAST(" + name + " AS UNSIGNED)"
	case "json":
		return selectedJSON(c.Name)
	}
	return name
}

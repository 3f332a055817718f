package table

import (
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// Key is a place in the order of a table's key: literals of the key's columns. Nil is
// the start or the end of the table.
type Key []string

// after is the condition for the rows behind b.
func after(key []Column, b Key) string { return compareKey(key, b, ">", false) }

// upTo is the condition for the rows up to b.
func upTo(key []Column, b Key) string { return compareKey(key, b, "<", true) }

// compareKey writes (k1, k2, …) op (v1, v2, …) as comparisons of single columns: the
// servers use an index for that form only.
func compareKey(key []Column, b Key, op string, orEqual bool) string {
	var alternatives []string
	for i := range key {
		var terms []string
		for j := range i {
			terms = append(terms, query.Quote(key[j].Name)+"="+b[j])
		}
		last := op
		if orEqual && i == len(key)-1 {
			last += "="
		}
		terms = append(terms, query.Quote(key[i].Name)+last+b[i])
		alternatives = append(alternatives, "("+strings.Join(terms, " AND ")+")")
	}
	condition := "(" + strings.Join(alternatives, " OR ") + ")"
	if len(key) > 1 {
		condition = query.Quote(key[0].Name) + op + "=" + b[0] + " AND " + condition
	}
	return condition
}

// Within is the condition for the rows of a chunk: behind lower, up to upper.
func Within(key []Column, lower, upper Key) string {
	conditions := []string{"TRUE"}
	if lower != nil {
		conditions = append(conditions, after(key, lower))
	}
	if upper != nil {
		conditions = append(conditions, upTo(key, upper))
	}
	return strings.Join(conditions, " AND ")
}

// keyTypes are the types whose values look the same in the binlog and in a result, so
// that a row can be found again by them.
var keyTypes = []string{
	"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "bit", "year", "enum", "set", "float", "double",
	"date", "time", "datetime", "timestamp", "char", "varchar", "binary", "varbinary", "uuid", "inet4", "inet6",
}

// FitsKey reports whether a row can be found again by the column's values.
func (c Column) FitsKey() bool { return slices.Contains(keyTypes, c.Type) }

// OneOf is the condition for the rows whose columns have one of the values. Several
// columns are compared with AND and OR: both flavors use an index for that form.
func OneOf(columns []string, values []Key) string {
	if len(columns) == 1 {
		list := make([]string, len(values))
		for i, v := range values {
			list[i] = v[0]
		}
		return query.Quote(columns[0]) + " IN (" + strings.Join(list, ",") + ")"
	}
	alternatives := make([]string, len(values))
	for i, v := range values {
		terms := make([]string, len(columns))
		for j, name := range columns {
			terms[j] = query.Quote(name) + "=" + v[j]
		}
		alternatives[i] = "(" + strings.Join(terms, " AND ") + ")"
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}

package table

import (
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// Key is a place in a table's key order: literals of the key's columns. Nil
// is the start or the end of the table.
type Key []string

// after is the condition for rows behind b, upTo for those not behind it.
func after(key []Column, b Key) string { return compareKey(key, b, ">", false) }

func upTo(key []Column, b Key) string { return compareKey(key, b, "<", true) }

// compareKey spells (k1, k2, …) op (v1, v2, …) out, because the servers use an
// index for the long form only.
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

// KeyKinds are the types whose values the binlog and a result spell such that
// a row can be found again by them.
var KeyKinds = []string{
	"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "bit", "year", "enum", "set", "float", "double",
	"date", "time", "datetime", "timestamp", "char", "varchar", "binary", "varbinary", "uuid", "inet4", "inet6",
}

// OneOf is the condition for the rows whose columns have one of the values.
// Alternatives, because that is what both flavors use an index for.
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

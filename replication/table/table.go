package table

import (
	"cmp"
	"slices"

	"github.com/dcmigrate/migrate/replication/query"
)

// Table is what copying and comparing need to know about a table's shape.
type Table struct {
	Schema, Name string
	Columns      []Column // the stored ones, invisible ones too; generated ones are left out
	Bytes        int64    // the server's estimate
}

// Quoted is the table's name as SQL takes it.
func (t Table) Quoted() string { return query.QuoteTable(t.Schema, t.Name) }

// Title is the table's name for people.
func (t Table) Title() string { return t.Schema + "." + t.Name }

// Name is a table's name with its schema.
type Name struct{ Schema, Name string }

// SortNames sorts names in place by their bytes, and returns them.
func SortNames(names []Name) []Name {
	slices.SortFunc(names, func(a, b Name) int { return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name)) })
	return names
}

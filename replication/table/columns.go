package table

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
)

// Unsigned reports whether the number that the column is selected as has no sign.
func (c Column) Unsigned() bool {
	return slices.Contains([]string{"bit", "enum", "set", "year"}, c.Type) || strings.Contains(c.FullType, "unsigned")
}

// Column is a stored column of a table.
type Column struct {
	Name     string
	Type     string // information_schema's DATA_TYPE, lower case
	FullType string // COLUMN_TYPE
	Key      int    // place in the primary key from 1; 0: not in it
	Charset  string // of text columns
}

// Table is what copying and comparing need of a table's shape.
type Table struct {
	Schema, Name string
	Columns      []Column // stored ones, invisible ones too; generated ones are left out
	Bytes        int64    // the server's estimate
}

// Quoted is the table's name as SQL takes it.
func (t Table) Quoted() string { return query.QuoteTable(t.Schema, t.Name) }

// Title is the table's name for people.
func (t Table) Title() string { return t.Schema + "." + t.Name }

// Estimate reads a number of the server's statistics; what is none counts as 0.
func Estimate(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// StoredColumns are the columns that are stored, of logColumnsOf and logKeysOf.
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

// Form is how a value travels: as what it is selected, and as what literal it is inserted.
type Form int

const (
	formBytes  Form = iota // text, dates, binary, geometry: the stored bytes, quoted
	FormNumber             // exact numbers: bare
	FormDouble             // FLOAT and DOUBLE: the shortest text of the double, as an approximate literal
	FormText               // types that take text only: quoted, marked as utf8mb4
)

func (c Column) form() Form {
	switch c.Type {
	case "float", "double":
		return FormDouble
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "bit", "enum", "set":
		return FormNumber
	case "json", "uuid", "inet4", "inet6":
		return FormText
	}
	return formBytes
}

// Selected is the expression that reads the column exactly: a FLOAT by its
// bits (its own text form loses some), a BIT, ENUM or SET by its number.
func (c Column) Selected() string {
	name := query.Quote(c.Name)
	switch c.Type {
	case "float":
		return "CAST(" + name + " AS DOUBLE)"
	case "bit", "enum", "set":
		return "CAST(" + name + " AS UNSIGNED)"
	}
	return name
}

// AppendValue appends a value, as selected returned it, as a literal. A nil
// value is NULL.
func (c Column) AppendValue(out, value []byte) []byte { return c.form().Append(out, value) }

// The hash of a row is the server's own cryptographic hash of a text in which
// every value of the row is spelled out exactly and without ambiguity:
//
//	which columns are NULL, the values that hold no comma or have one length, the
//	lengths of all texts but the last, the texts themselves
//
// all separated by commas. CONCAT_WS leaves NULLs out; the first part says
// which they are. A reader could take the text apart again, so two rows that
// differ have two texts. The first part is binary, which makes the whole text
// binary: every value goes in as the bytes that are stored, whatever its
// character set, without the cost of a cast of its own (a third of the time).
//
// A chunk's hash is the XOR of its rows' hashes: independent of their order,
// and, unlike that of a CRC, not linear, so that values which change places
// between two rows are seen. XOR is right where rows are distinct by a key.
// Where equal rows may come in pairs, hashes are summed.
//
// MySQL: SHA2(256), whole, because BIT_XOR takes binary strings, and because
// SHA1() and MD5() are there with a component only from 9.6 on. MariaDB: its
// BIT_XOR takes 64 bits, and to make them of a SHA1 takes most of a verify's time.
// Where both servers can, they are made of two checksums instead, of different
// polynomials; see rowNumber. Two chunks that differ have the same 64 bits once
// in 10^16 at most. That somebody forges rows is none of what a verify is for (ADR 11).
// Rows one by one are always compared by the cryptographic hash.

// HoldsNoComma reports whether what plain says of the column cannot be taken for
// more than one part.
func (c Column) HoldsNoComma() bool {
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit", "year", "enum", "set",
		"date", "time", "datetime", "timestamp", "uuid", "inet4", "inet6", "json", "geometry", "point", "linestring", "polygon",
		"multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection", "vector":
		return true
	}
	return false
}

// IsLong reports whether the column's values may be longer than a packet.
func (c Column) IsLong() bool {
	switch c.Type {
	case "text", "mediumtext", "longtext", "blob", "mediumblob", "longblob":
		return true
	}
	return false
}

// IsLarge reports whether they may be of many megabytes.
func (c Column) IsLarge() bool { return c.IsLong() && c.Type != "text" && c.Type != "blob" }

// Plain spells a column that holds no comma, or has one length, exactly, in a
// session whose character set is binary.
func (c Column) Plain(d *dialect.Dialect) string {
	name := query.Quote(c.Name)
	switch c.Type {
	case "float", "double":
		// The text of a FLOAT hides some of its bits, that of a DOUBLE(10,3) is rounded, and to
		// make one costs the server more than a hash. A point has the bits themselves: 25 bytes
		// of SRID, order of bytes, type, and two doubles.
		return "POINT(" + name + ",0)"
	case "bit", "enum", "set":
		return "CAST(" + name + " AS UNSIGNED)"
	case "uuid", "inet4", "inet6":
		return "CAST(" + name + " AS CHAR)"
	case "json":
		return d.HashFunction("CAST(" + name + " AS CHAR CHARACTER SET utf8mb4)")
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
		"geometrycollection", "geomcollection", "vector":
		return d.HashFunction("HEX(" + name + ")")
	}
	return name
}

// ColumnForms lists the columns' forms.
func ColumnForms(columns []Column) []Form {
	forms := make([]Form, len(columns))
	for i, c := range columns {
		forms[i] = c.form()
	}
	return forms
}

// Append appends a value, as the column's selected returned it, as a literal.
// A nil value is NULL.
func (f Form) Append(out, value []byte) []byte {
	if value == nil {
		return append(out, "NULL"...)
	}
	switch f {
	case FormNumber:
		return append(out, value...)
	case FormDouble:
		out = append(out, value...)
		if !bytes.ContainsAny(value, "eE") {
			out = append(out, "e0"...) // or it would be an exact number, and -0 would lose its sign
		}
		return out
	case FormText:
		out = append(out, "_utf8mb4"...)
	}
	return query.AppendLiteral(out, value)
}

// Name is a table's name with its schema.
type Name struct{ Schema, Name string }

// WireLiteral is a column's value, as selected gave it on a wire, as a literal
// that means the same in every session of ours.
func (c Column) WireLiteral(value []byte) string {
	switch c.Type {
	case "char", "varchar":
		return "_" + c.Charset + plainLiteral(value)
	case "binary", "varbinary":
		return "_binary" + plainLiteral(value)
	}
	return string(c.AppendValue(nil, value))
}

// SortedIDs are table names in their order.
func SortedIDs(ids []Name) []Name {
	slices.SortFunc(ids, func(a, b Name) int { return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name)) })
	return ids
}

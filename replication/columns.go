package replication

import "strconv"

// column is a stored column of a table.
type column struct {
	Name     string
	Type     string // information_schema's DATA_TYPE, lower case
	FullType string // COLUMN_TYPE
	Key      int    // place in the primary key from 1; 0: not in it
	Charset  string // of text columns
}

// table is what copying and comparing need of a table's shape.
type table struct {
	Schema, Name string
	Columns      []column // stored ones, invisible ones too; generated ones are left out
	Bytes        int64    // the server's estimate
}

func (t table) quoted() string { return QuoteTable(t.Schema, t.Name) }
func (t table) title() string  { return t.Schema + "." + t.Name }

// estimate reads a number of the server's statistics; what is none counts as 0.
func estimate(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// storedColumns are the columns that are stored, of logColumnsOf and logKeysOf.
func storedColumns(columns, keys []record) []column {
	primary := map[string]int{}
	for _, r := range keys {
		if r["name"] == "PRIMARY" {
			primary[r["col"]] = len(primary) + 1
		}
	}
	var out []column
	for _, r := range columns {
		if r["expression"] == "" {
			out = append(out, column{Name: r["name"], Type: r["kind"], FullType: r["type"], Charset: r["charset"], Key: primary[r["name"]]})
		}
	}
	return out
}

// names lists the columns' names.
func names(columns []column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Name
	}
	return out
}

// form is how a value travels: as what it is selected, and as what literal it is inserted.
type form int

const (
	formBytes  form = iota // text, dates, binary, geometry: the stored bytes, quoted
	formNumber             // exact numbers: bare
	formDouble             // FLOAT and DOUBLE: the shortest text of the double, as an approximate literal
	formText               // types that take text only: quoted, marked as utf8mb4
)

func (c column) form() form {
	switch c.Type {
	case "float", "double":
		return formDouble
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "bit", "enum", "set":
		return formNumber
	case "json", "uuid", "inet4", "inet6":
		return formText
	}
	return formBytes
}

// selected is the expression that reads the column exactly: a FLOAT by its
// bits (its own text form loses some), a BIT, ENUM or SET by its number.
func (c column) selected() string {
	name := Quote(c.Name)
	switch c.Type {
	case "float":
		return "CAST(" + name + " AS DOUBLE)"
	case "bit", "enum", "set":
		return "CAST(" + name + " AS UNSIGNED)"
	}
	return name
}

// appendValue appends a value, as selected returned it, as a literal. A nil
// value is NULL.
func (c column) appendValue(out, value []byte) []byte { return c.form().append(out, value) }

package table

import (
	"bytes"
	"fmt"

	"github.com/dcmigrate/migrate/replication/query"
)

// Form is how a value travels: as which text it is selected, and as which literal it
// is inserted.
type Form int

// The forms.
const (
	formBytes  Form = iota // text, dates, binary, geometry: the stored bytes, quoted
	FormNumber             // exact numbers: bare
	FormDouble             // FLOAT and DOUBLE: the shortest text of the double, as an approximate literal
	FormText               // types that take text only: quoted, marked as utf8mb4
	FormJSON               // MySQL's JSON: an expression that keeps the types of its values
)

// ColumnForms lists the columns' forms.
func ColumnForms(columns []Column) []Form {
	forms := make([]Form, len(columns))
	for i, c := range columns {
		forms[i] = c.form()
	}
	return forms
}

func (c Column) form() Form {
	switch c.Type {
	case "float", "double":
		return FormDouble
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "bit", "enum", "set":
		return FormNumber
	case "json":
		return FormJSON
	case "uuid", "inet4", "inet6":
		return FormText
	}
	return formBytes
}

// Append appends a value, as Column.Selected reads it, as a literal or, of JSON, as an
// expression. A nil value is NULL.
func (f Form) Append(out, value []byte) ([]byte, error) {
	if f == FormJSON && value != nil {
		return appendJSON(out, value)
	}
	return f.appendPlain(out, value), nil
}

// appendPlain is Append for all forms but FormJSON.
func (f Form) appendPlain(out, value []byte) []byte {
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

// AppendValue appends a value, as Selected reads it, as Form.Append does.
func (c Column) AppendValue(out, value []byte) ([]byte, error) { return c.form().Append(out, value) }

// WireLiteral is a value, as Selected reads it on a wire.Conn, as a literal that means
// the same in each of migrate's sessions, whatever their character sets.
func (c Column) WireLiteral(value []byte) string {
	switch c.Type {
	case "char", "varchar":
		return "_" + c.Charset + plainLiteral(value)
	case "binary", "varbinary":
		return "_binary" + plainLiteral(value)
	}
	return string(c.form().appendPlain(nil, value)) // no key has a column of JSON
}

// plainLiteral quotes a value of printable ASCII, and writes any other in hex, which
// no character set can misread.
func plainLiteral(value []byte) string {
	for _, b := range value {
		if b < ' ' || b > '~' || b == '\'' || b == '\\' {
			return fmt.Sprintf(" 0x%X", value)
		}
	}
	return "'" + string(value) + "'"
}

package binlog

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
)

// Column is what the binlog does not say of a column: an event has only positions and plain
// types.
type Column struct {
	Name, Kind         string // Kind is DATA_TYPE, in lower case
	bits               int    // of an unsigned integer, else 0
	charset, collation string
	virtual            bool
}

// KeyColumn is a column of a key.
type KeyColumn struct {
	Index  int // in the table's columns
	prefix int // the number of its characters in the key; 0 is all
}

// Key is a key of a table. Two writes with the same values of a key are of the same row, or
// collide.
type Key struct {
	Name    string // "PRIMARY", a unique key, or "" for the whole row of a table without a primary key
	Columns []KeyColumn
}

// Table is a table's shape.
type Table struct {
	Title   string
	Hidden  bool // events may have more columns at their end
	Columns []Column
	Keys    []Key    // the first identifies a row
	Unused  []string // unique keys whose values are not in the log
}

// ReadTable reads a table's columns and unique keys.
func ReadTable(ctx context.Context, q query.Queryer, dialect *dialect.Dialect, schema, name string) (*Table, error) {
	columns, err := query.All(ctx, q, table.ColumnsQuery+" WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION", schema, name)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s.%s: %w", schema, name, err)
	}
	keys, err := query.All(ctx, q, table.KeysQuery+` WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0
		ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX`, schema, name)
	if err != nil {
		return nil, fmt.Errorf("read the keys of %s.%s: %w", schema, name, err)
	}
	return NewTable(table.Name{Schema: schema, Name: name}, dialect, columns, keys)
}

// NewTable returns the shape of a table with these columns and unique keys, as
// table.ColumnsQuery and table.KeysQuery return them.
func NewTable(id table.Name, dialect *dialect.Dialect, columns, keys []query.Record) (*Table, error) {
	t := &Table{Title: id.Schema + "." + id.Name, Hidden: dialect.HidesKeyColumns()}
	for _, r := range columns {
		c := Column{
			Name: r["name"], Kind: r["kind"], charset: r["charset"], collation: r["collation"],
			virtual: strings.Contains(r["extra"], "VIRTUAL GENERATED"),
		}
		if strings.Contains(strings.ToLower(r["type"]), "unsigned") {
			c.bits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}[c.Kind]
		}
		t.Columns = append(t.Columns, c)
	}
	return t, t.addKeys(keys)
}

func (t *Table) addKeys(records []query.Record) error {
	if len(records) == 0 || records[0]["name"] != "PRIMARY" {
		row := Key{}
		for i := range t.Columns {
			row.Columns = append(row.Columns, KeyColumn{Index: i})
		}
		t.Keys = append(t.Keys, row)
	}
	for _, r := range records {
		if len(t.Keys) == 0 || t.Keys[len(t.Keys)-1].Name != r["name"] {
			t.Keys = append(t.Keys, Key{Name: r["name"]})
		}
		prefix, err := strconv.Atoi(r["prefix"])
		if err != nil {
			return fmt.Errorf("read the keys of %s: %w", t.Title, err)
		}
		at := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == r["col"] })
		key := &t.Keys[len(t.Keys)-1]
		key.Columns = append(key.Columns, KeyColumn{at, prefix}) // -1 is an expression
	}
	t.Keys = slices.DeleteFunc(t.Keys, func(k Key) bool {
		unknown := k.Name != "" && slices.ContainsFunc(k.Columns, func(c KeyColumn) bool { return c.Index < 0 || t.Columns[c.Index].virtual })
		if unknown {
			t.Unused = append(t.Unused, k.Name)
		}
		return unknown
	})
	return nil
}

// Places maps the table's columns to those of an event; -1 is a column that the event
// lacks. ok is false if the event has another shape, because DDL has run.
func (t *Table) Places(e *logevent.RowsEvent) (places []int, ok bool) {
	stored := 0
	for _, c := range t.Columns {
		if !c.virtual {
			stored++
		}
	}
	n := int(e.ColumnCount)
	hasVirtual := n == len(t.Columns) || n > len(t.Columns) && t.Hidden
	if !hasVirtual && n != stored {
		return nil, false
	}
	next := 0
	for _, c := range t.Columns {
		if c.virtual && !hasVirtual {
			places = append(places, -1)
			continue
		}
		places = append(places, next)
		next++
	}
	for i, name := range e.Table.ColumnNameString() { // only with binlog_row_metadata=FULL
		if at := slices.Index(places, i); at >= 0 && t.Columns[at].Name != name {
			return nil, false
		}
	}
	return places, true
}

// KeyPart is one column's value of a key.
type KeyPart struct {
	Column Column
	prefix int
	Null   bool
	Raw    []byte // equal values have equal bytes, unless the column has a collation
	Weight []byte // the weight of Raw by the column's collation, if Weighed
}

// Values returns a key's parts in a row. ok is false if the row lacks a column of the key.
func (t *Table) Values(key Key, places []int, row []any, skipped []int) (parts []KeyPart, ok bool) {
	for _, k := range key.Columns {
		at := places[k.Index]
		if at < 0 && key.Name == "" {
			continue // a generated column adds nothing to the row
		}
		if at < 0 || slices.Contains(skipped, at) {
			if key.Name == "" && t.Columns[k.Index].virtual {
				continue
			}
			return nil, false
		}
		c := t.Columns[k.Index]
		p := KeyPart{Column: c, prefix: k.prefix, Null: row[at] == nil, Raw: keyBytes(row[at], c)}
		if key.Name == "" {
			p.Column.collation = "" // rows without a key are compared by their bytes
		}
		if p.prefix > 0 && !p.Weighed() {
			p.Raw = p.Raw[:min(len(p.Raw), p.prefix)]
		}
		parts = append(parts, p)
	}
	return parts, true
}

// HasNull reports whether a part of a key is NULL. Such a key identifies no row.
func HasNull(parts []KeyPart) bool {
	return slices.ContainsFunc(parts, func(p KeyPart) bool { return p.Null })
}

// SameParts reports whether the stored bytes of both keys are equal.
func SameParts(a, b []KeyPart) bool {
	return slices.EqualFunc(a, b, func(x, y KeyPart) bool { return x.Null == y.Null && string(x.Raw) == string(y.Raw) })
}

// keyBytes returns a decoded value as bytes that are equal for equal values. An unsigned
// number is decoded as a signed one unless the log has the table's metadata.
func keyBytes(value any, c Column) []byte {
	switch v := value.(type) {
	case nil:
		return nil
	case []byte:
		return slices.Clone(v)
	case string:
		return []byte(v)
	case float32:
		return strconv.AppendFloat(nil, float64(v)+0, 'g', -1, 32) // -0 equals 0
	case float64:
		return strconv.AppendFloat(nil, v+0, 'g', -1, 64)
	}
	if n, ok := table.Integer(value); ok {
		if c.bits > 0 {
			return strconv.AppendUint(nil, uint64(n)&(math.MaxUint64>>(64-c.bits)), 10)
		}
		return strconv.AppendInt(nil, n, 10)
	}
	return fmt.Append(nil, value)
}

// Weighed reports whether different bytes may be equal by the column's collation.
func (p KeyPart) Weighed() bool {
	return !p.Null && p.Column.collation != "" && p.Column.charset != "binary" &&
		plainName.MatchString(p.Column.collation) && plainName.MatchString(p.Column.charset)
}

// String is the value as an SQL literal. Bytes that are not readable text are x'…'.
func (p KeyPart) String() string {
	switch {
	case p.Null:
		return "NULL"
	case p.Column.numeric():
		return string(p.Raw)
	}
	readable := utf8.Valid(p.Raw) && !strings.ContainsFunc(string(p.Raw), func(r rune) bool { return !unicode.IsPrint(r) })
	foreign := p.Column.charset != "" && !strings.HasPrefix(p.Column.charset, "utf8") &&
		strings.ContainsFunc(string(p.Raw), func(r rune) bool { return r > 127 })
	if readable && !foreign {
		return query.Literal(string(p.Raw))
	}
	return fmt.Sprintf("x'%x'", p.Raw)
}

func (c Column) numeric() bool {
	switch c.Kind {
	case "float", "double":
		return true
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "bit", "enum", "set":
		return true
	}
	return false
}

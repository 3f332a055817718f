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

// Column is a column as the binlog needs it told: an event has places and
// plain types only.
type Column struct {
	Name, Kind         string // kind is DATA_TYPE, lower case
	bits               int    // of an unsigned integer; 0: not one
	charset, collation string
	virtual            bool
}

// KeyColumn is a column of a key.
type KeyColumn struct {
	Index  int // in the table's columns
	prefix int // characters of it that count; 0: all
}

// Key is a key of a table: by whose values two writes are of the same row,
// or collide.
type Key struct {
	Name    string // "PRIMARY", a unique key, or "" for all of a row without a primary key
	Columns []KeyColumn
}

// Table is a table's shape.
type Table struct {
	Title   string
	Hidden  bool // events may have more columns at their end
	Columns []Column
	Keys    []Key    // the first tells rows apart
	Unused  []string // unique keys that the log cannot tell
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

// NewTable is the table's shape by what the server says of its columns and unique keys.
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
		all := Key{}
		for i := range t.Columns {
			all.Columns = append(all.Columns, KeyColumn{Index: i})
		}
		t.Keys = append(t.Keys, all)
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
		key.Columns = append(key.Columns, KeyColumn{at, prefix}) // -1: an expression
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

// Places maps the table's columns to those of an event; -1 is one that the
// event lacks. ok is false when the event is of another shape: DDL has run.
func (t *Table) Places(e *logevent.RowsEvent) (places []int, ok bool) {
	stored := 0
	for _, c := range t.Columns {
		if !c.virtual {
			stored++
		}
	}
	n := int(e.ColumnCount)
	all := n == len(t.Columns) || n > len(t.Columns) && t.Hidden
	if !all && n != stored {
		return nil, false
	}
	next := 0
	for _, c := range t.Columns {
		if c.virtual && !all {
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
	Raw    []byte // equal values have equal bytes, where the column has no collation
	Weight []byte // what the collation makes of raw, where it matters
}

// Values are a key's parts in a row; ok is false where the row lacks a column.
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
			p.Column.collation = "" // rows without a key are told apart by their bytes
		}
		if p.prefix > 0 && !p.Weighed() {
			p.Raw = p.Raw[:min(len(p.Raw), p.prefix)]
		}
		parts = append(parts, p)
	}
	return parts, true
}

// HasNull reports whether a part of a key is NULL: such a key identifies no row.
func HasNull(parts []KeyPart) bool {
	return slices.ContainsFunc(parts, func(p KeyPart) bool { return p.Null })
}

// SameParts compares the stored bytes.
func SameParts(a, b []KeyPart) bool {
	return slices.EqualFunc(a, b, func(x, y KeyPart) bool { return x.Null == y.Null && string(x.Raw) == string(y.Raw) })
}

// keyBytes is a decoded value as bytes that are equal for equal values. Without
// the table's metadata in the log an unsigned number comes as a signed one.
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

// Weighed reports whether the column's collation may hold different bytes to be equal.
func (p KeyPart) Weighed() bool {
	return !p.Null && p.Column.collation != "" && p.Column.charset != "binary" &&
		plainName.MatchString(p.Column.collation) && plainName.MatchString(p.Column.charset)
}

// String is the value as an SQL literal; bytes that are no readable text as x'…'.
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
